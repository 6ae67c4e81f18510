from posthouse.kernel.sheets import ROWS_AT_ONCE, csv_text, iso_utc


def test_no_cell_of_a_file_is_a_formula() -> None:
    """Models may be called "@cf/…" upstream, or worse; numbers stay numbers."""
    row = ["@cf/llama", "=1+1", "+1-1", "-cmd", "-0.5", "\tx", "a=b", ""]
    assert "".join(csv_text([row], line_end="\r\n")) == "'@cf/llama,'=1+1,'+1-1,'-cmd,-0.5,'\tx,a=b,\r\n"


def test_a_long_file_comes_in_pieces() -> None:
    pieces = list(csv_text(([str(n)] for n in range(ROWS_AT_ONCE + 1)), line_end="\n"))
    assert [piece.count("\n") for piece in pieces] == [ROWS_AT_ONCE, 1]


def test_a_time_as_people_read_it() -> None:
    assert iso_utc(0) == "1970-01-01T00:00:00.000Z"
    assert iso_utc(1_801_396_800_007) == "2027-01-31T12:00:00.007Z"
