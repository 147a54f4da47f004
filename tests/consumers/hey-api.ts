// What a front end writes with the SDK of @hey-api/openapi-ts: list, get, create, patch.
import { createClient as createRecord, getClient, listClients, patchClient } from "../../build/clients/hey-api";
import type { Client, Problem } from "../../build/clients/hey-api";
import { client } from "../../build/clients/hey-api/client.gen";

export async function work(baseUrl: string, token: string): Promise<Client | undefined> {
  client.setConfig({ baseUrl, auth: token });
  const page = await listClients({ query: { limit: 50, sort: "-created_at" } });
  const problem: Problem | undefined = page.error;
  if (problem) throw new Error(problem.errors.map((fault) => fault.detail).join(" "));
  const more: boolean | undefined = page.data?.has_more;

  const made = await createRecord({
    headers: { "Idempotency-Key": crypto.randomUUID() },
    body: { name: "Nile Kayaks", phones: [{ country: "UG", national: "0772 123456" }] },
  });
  const id = made.data?.id;
  if (id === undefined) return undefined;

  const one = await getClient({ path: { client_id: id } });
  const changed = await patchClient({
    path: { client_id: id },
    headers: { "If-Match": one.response?.headers.get("ETag") ?? undefined },
    body: { remarks: more === true ? "One of many" : null },
  });
  return changed.data;
}
