// What a front end writes with the functions of orval: list, get, create, patch.
import { createClient, getClient, listClients, patchClient } from "../../build/clients/orval/client";
import type { Client } from "../../build/clients/orval/client";

export async function work(token: string): Promise<Client | undefined> {
  const options = { headers: { Authorization: `Bearer ${token}` } };
  const page = await listClients({ limit: 50, count: "capped" }, options);
  if (page.status !== 200) throw new Error(page.data.code);
  const total: number | null | undefined = page.data.total;

  const made = await createClient({ name: "Nile Kayaks", emails: ["hello@nile-kayaks.example.com"] }, {}, options);
  if (made.status !== 201 || made.data.id === undefined) return undefined;

  const one = await getClient(made.data.id, {}, options);
  const etag = one.headers.get("ETag") ?? "";
  const headers = { ...options.headers, "If-Match": etag };
  const changed = await patchClient(made.data.id, { remarks: `One of ${total ?? "many"}` }, {}, { headers });
  return changed.status === 200 ? changed.data : undefined;
}
