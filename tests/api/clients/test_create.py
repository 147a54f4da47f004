"""Creating clients: what is taken, what follows, what is refused, and in which order."""

from tests.factories import Organization


async def test_quick_form_creates_a_complete_representation(radio: Organization) -> None:
    made = await radio.create_client(name="Kampala Coffee Ltd", emails=["Hello@Kampala-Coffee.example"])
    assert made["number"] == "C-000001"
    assert made["type"] == "prospect"
    assert made["status"] == "prospect"
