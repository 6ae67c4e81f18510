"""What a person asked of payments that can't be done; a value that no order, batch or invoice can have is an
UnfitValue.

Unknown
├── UnknownOrder       no order of that id (that this person may see)
├── UnknownBatch       no batch of codes of that id
└── UnknownInvoice     no invoice of that id
Declined
├── OrderClosed        the order was paid or cancelled before
├── TooManyOrders      the account has as many open orders as one may have
├── CodeError
│   ├── MistypedCode   no code looks like this
│   ├── UnknownCode    no code is this
│   ├── CodeUsed       it was redeemed before
│   │   └── OwnCodeUsed    by the same account
│   ├── CodeExpired    its time is over, or it was withdrawn
│   └── CodeLimit      the account has redeemed as many of its batch as it may
├── InvoiceClosed      the invoice was issued or declined before
└── NotInvoiceable     there is not as much to invoice, or the operator asks for more
"""

from posthouse.kernel.problems import Declined, Unknown


class UnknownOrder(Unknown):
    """No order of that id, or of another account."""


class UnknownBatch(Unknown):
    """No batch of codes of that id."""


class UnknownInvoice(Unknown):
    """No invoice of that id."""


class OrderClosed(Declined):
    """The order was paid or cancelled before."""

    code = "order_closed"


class TooManyOrders(Declined):
    """The account has as many open orders as one may have."""

    code = "too_many_orders"


class CodeError(Declined):
    """A code that can't be redeemed."""


class MistypedCode(CodeError):
    """No code looks like this: its length or its checksum is wrong."""

    code = "code_mistyped"


class UnknownCode(CodeError):
    """No code is this."""

    code = "code_unknown"


class CodeUsed(CodeError):
    """It was redeemed before."""

    code = "code_used"


class OwnCodeUsed(CodeUsed):
    """It was redeemed before, by the same account."""

    code = "code_used_by_you"


class CodeExpired(CodeError):
    """Its time is over, or it was withdrawn."""

    code = "code_expired"


class CodeLimit(CodeError):
    """The account has redeemed as many codes of the batch as one account may."""

    code = "code_limit"


class InvoiceClosed(Declined):
    """The invoice was issued or declined before."""

    code = "invoice_closed"


class NotInvoiceable(Declined):
    """There is not as much to invoice, or the operator's least amount is more."""

    code = "not_invoiceable"
