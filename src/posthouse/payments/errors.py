"""What a person asked of payments that can't be done.

PaymentsError
├── UnknownOrder       no order of that id (that this person may see)
├── OrderClosed        the order was paid or cancelled before
├── TooManyOrders      the account has as many open orders as one may have
├── UnknownBatch       no batch of codes of that id
├── CodeError
│   ├── MistypedCode   no code looks like this
│   ├── UnknownCode    no code is this
│   ├── CodeUsed       it was redeemed before
│   │   └── OwnCodeUsed    by the same account
│   ├── CodeExpired    its time is over, or it was withdrawn
│   └── CodeLimit      the account has redeemed as many of its batch as it may
├── UnknownInvoice     no invoice of that id
├── InvoiceClosed      the invoice was issued or declined before
├── NotInvoiceable     there is not as much to invoice, or the operator asks for more
└── InvalidPayment     a value that no order, batch or invoice can have
"""

from posthouse.kernel.errors import PosthouseError


class PaymentsError(PosthouseError):
    """Base of these."""


class UnknownOrder(PaymentsError):
    """No order of that id, or of another account."""


class OrderClosed(PaymentsError):
    """The order was paid or cancelled before."""


class TooManyOrders(PaymentsError):
    """The account has as many open orders as one may have."""


class UnknownBatch(PaymentsError):
    """No batch of codes of that id."""


class CodeError(PaymentsError):
    """A code that can't be redeemed."""


class MistypedCode(CodeError):
    """No code looks like this: its length or its checksum is wrong."""


class UnknownCode(CodeError):
    """No code is this."""


class CodeUsed(CodeError):
    """It was redeemed before."""


class OwnCodeUsed(CodeUsed):
    """It was redeemed before, by the same account."""


class CodeExpired(CodeError):
    """Its time is over, or it was withdrawn."""


class CodeLimit(CodeError):
    """The account has redeemed as many codes of the batch as one account may."""


class UnknownInvoice(PaymentsError):
    """No invoice of that id."""


class InvoiceClosed(PaymentsError):
    """The invoice was issued or declined before."""


class NotInvoiceable(PaymentsError):
    """There is not as much to invoice, or the operator's least amount is more."""


class InvalidPayment(PaymentsError):
    """A value that no order, batch or invoice can have."""
