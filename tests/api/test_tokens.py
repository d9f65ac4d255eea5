"""Logging in, as clients of every kind do it."""

from tests.api.doors import basic


async def test_client_credentials(service):
    """A technical user gets a token of 1,799 s for all its scopes (wire 7.1)."""
    answer = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic("acme-tech", "s3cret")
    )
    print(answer.headers, answer.text)
    assert answer.status_code == 200


async def test_bad(service):
    """A wrong secret is answered as the platform does."""
    answer = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic("acme-tech", "s3crex")
    )
    print(answer.headers, answer.text)
    assert answer.status_code == 401
    answer = await service.http.get("/metrics")
    print(answer.headers, answer.text)
    answer = await service.http.get("/health", headers=service.acme)
    print(answer.headers, answer.text)
    answer = await service.http.get("/token_keys")
    print(answer.headers, answer.text[:300])
    for path in ("/nothing", "/docs", "/docs/openapi.json", "/docs/openapi.yaml", "/docs/xx"):
        answer = await service.http.get(path)
        print(path, answer.status_code, answer.headers, answer.text[:300])
    answer = await service.http.post("/health")
    print(answer.status_code, answer.headers, answer.text[:300])
    answer = await service.http.request("OPTIONS", "/health")
    print(answer.status_code, answer.headers, answer.text[:300])
    answer = await service.http.request("OPTIONS", "/metrics")
    print(answer.status_code, answer.headers, answer.text[:300])
    answer = await service.http.post(
        "/oauth/token", data={"grant_type": "password", "scope": "trust", "username": "board", "password": "p@ss!w:o/rd"}, headers=basic("web", "secret")
    )
    print(answer.headers, answer.text)
    body = answer.json()
    answer = await service.http.post(
        "/oauth/token", data={"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}, headers=basic("web", "secret")
    )
    print(answer.headers, answer.text)
