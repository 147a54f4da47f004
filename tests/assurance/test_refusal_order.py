"""A request that is wrong in every way is refused in the order of docs/status-codes.md."""

import re
from typing import Any

from tests.architecture.sources import ROOT
from tests.factories import Organization

PAGE = ROOT / "docs" / "status-codes.md"
STEP = re.compile(r"^\| (\d+) \| .* \| ([\d, ]+) \|$", re.MULTILINE)

TAKEN = "taken@example.com"
WRONG = {"emails": [TAKEN], "languages": ["no language"]}
RIGHT = {"emails": [TAKEN]}


def documented() -> dict[int, set[int]]:
    steps = STEP.findall(PAGE.read_text("utf-8"))
    return {int(n): {int(status) for status in statuses.split(",")} for n, statuses in steps}


async def test_steps_of_the_page_follow_each_other(radio: Organization) -> None:
    """Each call mends the fault that the call before was refused for, and no other."""
    await radio.create_client(name="Holder", emails=[TAKEN])
    target = await radio.create_client(name="Target")
    path, stale = f"/v1/clients/{target['id']}", {"If-Match": '"stale"'}
    absent = "/v1/clients/01890a5d-ac96-774b-bcce-b302099a8057"
    front_desk, admin = radio.as_role("front_desk"), radio.as_role("admin")
    plain, json_type = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}
    hidden = WRONG | {"credit_limit": None, "industry": "retail"}
    long = {"X-Long": "x" * 20_000}
    await radio.call("admin", "POST", f"{path}/archive")

    calls: list[tuple[int, str, str, dict[str, str], Any]] = [
        (1, "POST", f"{absent}?no=1", stale | plain | long, "{"),
        (2, "POST", f"{absent}?no=1", stale | plain, "{"),
        (3, "PATCH", f"{absent}?no=1", stale | plain, "{"),
        (4, "PATCH", f"{absent}?no=1", stale | plain | front_desk, "{"),
        (5, "PATCH", absent, stale | plain | front_desk, "{"),
        (5, "PATCH", absent, stale | json_type | front_desk, "{"),
        (6, "PATCH", absent, stale | front_desk, hidden),
        (7, "PATCH", path, stale | front_desk, hidden),
        (8, "PATCH", path, stale | admin, WRONG),
        (9, "PATCH", path, admin, WRONG),
    ]
    found = [
        (step, await status(radio, method, where, headers, body))
        for step, method, where, headers, body in calls
    ]
    await radio.call("admin", "POST", f"{path}/restore")
    found.append((10, await status(radio, "PATCH", path, admin, WRONG)))
    found.append((11, await status(radio, "PATCH", path, admin, RIGHT)))

    steps = documented()
    assert {step for step, _ in found} == set(steps)
    assert not [(step, answer) for step, answer in found if answer not in steps[step]]


async def status(
    radio: Organization, method: str, path: str, headers: dict[str, str], body: Any
) -> int:
    sent: dict[str, Any] = {"content": body} if isinstance(body, str) else {"json": body}
    answer = await radio.api.request(method, path, headers=headers, **sent)
    return answer.status_code
