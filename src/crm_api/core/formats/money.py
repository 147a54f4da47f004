"""Money on the wire: a decimal string and an ISO 4217 currency, never a float."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.places import CurrencyCode
from crm_api.core.formats.wire import Checked

# ISO 4217:2015, list one, column "minor unit"; every other currency has two digits.
_WITHOUT_MINOR: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UYI VND VUV XAF XOF XPF"
_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS: Final = "CLF UYW"
_MINOR_DIGITS: Final[Mapping[str, int]] = {
    currency: digits
    for currencies, digits in ((_WITHOUT_MINOR, 0), (_THREE_DIGITS, 3), (_FOUR_DIGITS, 4))
    for currency in currencies.split()
}
_USUAL_MINOR_DIGITS: Final = 2
# ISO 4217 gives the shilling no minor unit; its law and its banks know cents. Both forms are taken
# and each is answered as it was sent.
_EITHER_WAY: Final = frozenset({"UGX"})
_AMOUNT_LENGTH: Final = 20
_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,14})(?:\.([0-9]{1,4}))?")


def minor_digits(currency: str) -> int:
    """How many digits the currency has behind the point."""
    return _MINOR_DIGITS.get(currency, _USUAL_MINOR_DIGITS)


def format_amount(amount: Decimal, currency: str) -> str:
    """An amount that the currency can express, at the currency's scale; ValueError for others."""
    return _scaled(f"{amount:f}", currency)


def _parse_amount(text: str) -> str:
    _parts(text)
    return text


def _parts(text: str) -> tuple[str, str]:
    """The digits before and behind the point."""
    found = _AMOUNT.fullmatch(text) if len(text) <= _AMOUNT_LENGTH else None
    if found is None:
        raise refuse(
            "invalid_amount",
            "Write a decimal string such as 99.95, not negative, with at most 15 digits before "
            "the point and 4 behind it.",
        )
    whole, fraction = found.groups("")
    return whole, fraction


def _scaled(amount: str, currency: str) -> str:
    """`amount` with just the currency's digits. Zeros beyond them say nothing and may go."""
    whole, fraction = _parts(amount)
    digits = 0 if currency in _EITHER_WAY and not fraction else minor_digits(currency)
    if fraction[digits:].strip("0"):
        raise refuse("invalid_amount", "Use no more decimals than the currency has (ISO 4217).")
    return f"{whole}.{fraction[:digits]:0<{digits}}" if digits else whole


Amount = Annotated[
    str,
    Checked(
        parse=_parse_amount,
        max_length=_AMOUNT_LENGTH,
        pattern=r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$",
        description="Decimal string; answered with the currency's own number of decimals.",
        examples=("99.95",),
    ),
]


class Money(
    BaseModel,
    frozen=True,
    extra="forbid",
    strict=True,
    json_schema_extra={"examples": [{"amount": "99.95", "currency": "EUR"}]},
):
    """An amount, not negative, answered at the currency's scale: 99.95 EUR, 100 JPY."""

    amount: Amount
    currency: CurrencyCode

    @model_validator(mode="after")
    def _at_scale(self) -> Self:
        try:
            amount = _scaled(self.amount, self.currency)
        except PydanticCustomError as error:
            # The fault belongs to `amount`; raised as it is, it would stand at the whole object.
            place: InitErrorDetails = {"type": error, "loc": ("amount",), "input": None}
            raise ValidationError.from_exception_data(type(self).__name__, [place]) from None
        # The one assignment to the frozen model, before anybody else has seen it.
        object.__setattr__(self, "amount", amount)
        return self

    @property
    def decimal(self) -> Decimal:
        """The amount to reckon with; exact."""
        return Decimal(self.amount)

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Self:
        """Money from a stored amount."""
        return cls(amount=format_amount(amount, currency), currency=currency)
