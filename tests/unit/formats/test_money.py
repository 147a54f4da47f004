"""Money: decimal strings only, at the currency's scale, never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_api.core.formats.money import Money, format_amount, minor_digits
from crm_api.core.formats.places import currencies


@pytest.mark.parametrize(
    ("amount", "currency", "answered"),
    [
        ("99.95", "EUR", "99.95"),
        ("100", "EUR", "100.00"),
        ("0", "USD", "0.00"),
        ("5.5", "KES", "5.50"),
        ("100", "UGX", "100"),
        ("100.00", "UGX", "100.00"),
        ("99.9", "UGX", "99.90"),
        ("1.5", "KWD", "1.500"),
        ("999999999999999.99", "USD", "999999999999999.99"),
        ("1.0000", "USD", "1.00"),
    ],
)
def test_an_amount_is_answered_at_the_scale_of_its_currency(
    amount: str, currency: str, answered: str
) -> None:
    money = Money.model_validate({"amount": amount, "currency": currency})
    assert money.model_dump(mode="json") == {"amount": answered, "currency": currency}
    assert money.decimal == Decimal(amount)
    assert Money.of(money.decimal, currency) == money


@pytest.mark.parametrize(
    "amount",
    ["", "-1", "+1", "1,5", "1e3", "NaN", "Infinity", "01", ".5", "1.", " 1", "1 ", "1_0", "\u0661",
     "1" * 16, "1.12345", "9" * 1000, 1, 1.5, True, None, "1\n"],
)  # fmt: skip
def test_anything_but_a_bounded_decimal_string_is_refused(amount: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Money.model_validate({"amount": amount, "currency": "EUR"})
    fault = caught.value.errors()[0]
    assert fault["loc"] == ("amount",)
    assert fault["type"] in {"invalid_amount", "string_type"}


def test_more_decimals_than_the_currency_has_are_a_fault_of_the_amount() -> None:
    for amount, currency in (
        ("99.995", "UGX"),
        ("0.001", "EUR"),
        ("0.0001", "KWD"),
        ("1.5", "JPY"),
    ):
        with pytest.raises(ValidationError) as caught:
            Money.model_validate({"amount": amount, "currency": currency})
        fault = caught.value.errors()[0]
        assert (fault["loc"], fault["type"]) == (("amount",), "invalid_amount")
        assert amount not in fault["msg"]


@pytest.mark.parametrize("currency", ["XXX", "XAU", "eur", "EURO", "", "ZZZ", 978])
def test_only_money_of_iso_4217_is_a_currency(currency: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Money.model_validate({"amount": "1", "currency": currency})
    assert caught.value.errors()[0]["loc"] == ("currency",)


def test_an_unknown_member_is_refused_and_money_cannot_change() -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": "1", "currency": "EUR", "cents": 5})
    money = Money(amount="1", currency="EUR")
    with pytest.raises(ValidationError):
        money.amount = "2"  # type: ignore[misc]  # frozen, as is shown
    assert len({money, Money(amount="1.0", currency="EUR")}) == 1


@given(st.sampled_from(sorted(currencies())), st.integers(0, 10**17))
def test_every_amount_that_a_currency_can_express_survives_the_round_trip(
    currency: str, minor: int
) -> None:
    amount = Decimal(minor).scaleb(-minor_digits(currency))
    if amount < 10**15:
        text = format_amount(amount, currency)
        assert Decimal(text) == amount
        assert Money(amount=text, currency=currency).amount == text


def test_the_schema_is_closed_and_bounded() -> None:
    schema = Money.model_json_schema()
    assert schema["additionalProperties"] is False
    assert schema["properties"]["amount"]["maxLength"] == 20
    assert schema["properties"]["currency"]["pattern"] == "^[A-Z]{3}$"
