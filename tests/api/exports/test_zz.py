import json
from tests.api.exports.reading import *
async def test_try(radio):
    await radio.create_client(name="=cmd|' /C calc'!A0", phones=["+256772123456"], remarks="a\nb", credit_limit={"amount":"1000","currency":"UGX"})
    await radio.create_client(name="Beta", tags=["x","y"])
    a=await export(radio); print(a.headers); print(a.text[:3000])
    t=table_of(a)
    b=await export(radio, format="xlsx"); print(b.headers, len(b.content))
    assert table_of(b)==t
    n=await export(radio, format="ndjson"); print(len(lines_of(n)))
    await radio.create_contact(name="Ada Nakato", emails=["ada@example.com"], phones=["+256772123456"])
    print((await export(radio, of="contacts", format="vcard")).text)
    r=await radio.call("admin","GET","/v1/exports"); print(json.dumps(r.json(),indent=1)[:3000])
    r=await radio.call("admin","GET","/v1/exports/"+r.json()["data"][0]["id"]); print(r.status_code)
    r=await radio.call("presenter","GET","/v1/clients/export"); print(r.text)
    r=await radio.call("admin","POST","/v1/clients/export",json={"filter":{"field":"name","op":"eq","value":"Beta"},"format":"csv","fields":["name","tags"]}); print(r.text)
