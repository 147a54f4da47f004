// What a front end writes with openapi-typescript and openapi-fetch: list, get, create, patch.
import createFetchClient from "openapi-fetch";
import type { components, paths } from "../../build/clients/openapi-typescript/schema";

type Client = components["schemas"]["Client"];

export async function work(baseUrl: string, token: string): Promise<Client | undefined> {
  const api = createFetchClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
  const page = await api.GET("/v1/clients", {
    params: { query: { limit: 50, type: ["prospect"], "created_at[gte]": "2026-01-01T00:00:00Z" } },
  });
  if (page.error) throw new Error(`${page.error.code}: ${page.error.detail}`);
  const next: string | null = page.data.next_cursor;
  const names: (string | undefined)[] = page.data.data.map((client) => client.name);

  const made = await api.POST("/v1/clients", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { name: "Nile Kayaks", emails: ["hello@nile-kayaks.example.com"] },
  });
  const id = made.data?.id;
  if (id === undefined) return undefined;

  const one = await api.GET("/v1/clients/{client_id}", { params: { path: { client_id: id } } });
  const limit: string | undefined = one.data?.credit_limit?.amount;
  const etag = one.response.headers.get("ETag") ?? undefined;
  const changed = await api.PATCH("/v1/clients/{client_id}", {
    params: { path: { client_id: id }, header: { "If-Match": etag } },
    body: { remarks: `${names.length} before it, ${next ?? "no more"}, ${limit ?? "no limit"}` },
  });
  return changed.data;
}
