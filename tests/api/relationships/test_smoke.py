"""smoke"""
from tests.factories import Organization

async def test_smoke(radio: Organization) -> None:
    a, b, c, d = [await radio.create_client(name=f"Firm {n} & <b>") for n in "ABCD"]
    async def rel(x, y, kind, **m):
        r = await radio.call("manager", "POST", f"/v1/clients/{x['id']}/relationships", json={"kind": kind, "other_id": y["id"]} | m)
        print(r.status_code, r.text, r.headers.get("location"))
        return r
    r = await rel(a, b, "subsidiary")
    await rel(b, c, "branch")
    await rel(c, a, "subsidiary")
    await rel(c, d, "parent")
    await rel(a, d, "vendor")
    await rel(d, a, "customer")
    loc = r.headers["location"]
    g = await radio.call("manager", "GET", loc)
    print(g.text, g.headers["etag"] == r.headers["etag"])
    for p in ("relationships", "tree", "graph?depth=3", "graph?format=svg&depth=3", "graph?format=dot&depth=4", "graph?format=mermaid", f"paths?to={d['id']}&depth=5", "roll-up"):
        for role in ("manager", "front_desk", "presenter"):
            x = await radio.call(role, "GET", f"/v1/clients/{c['id']}/{p}")
            print(role, p, x.status_code, x.text)
    x = await radio.call("manager", "PATCH", loc, json={"to_on": "2020-01-01", "note": "x"}, headers={"If-Match": g.headers["etag"]})
    print(x.text)
    x = await radio.call("manager", "GET", loc + "/history"); print(x.text)
    x = await radio.call("manager", "DELETE", loc); print(x.status_code)
    x = await radio.call("manager", "GET", loc); print(x.status_code)
