"""Roles are names for scopes; routes ask for scopes (design 7)."""

from __future__ import annotations

import itertools

import pytest

from api.app import build_framework
from api.identity.roles import ENGINEER, OPERATOR, PLATFORM_ADMIN, ROLES, TENANT_ADMIN, UPLOAD_ONLY, VIEWER
from api.identity.scopes import ALL_SCOPES, ANY, PLATFORM
from tests.security.table import routing_table

LADDER = (VIEWER, OPERATOR, ENGINEER, TENANT_ADMIN, PLATFORM_ADMIN)


@pytest.mark.parametrize(("lower", "higher"), list(itertools.pairwise(LADDER)))
def test_a_higher_role_may_do_what_a_lower_one_may(lower, higher):
    """From viewer to platform admin nothing is lost on the way."""
    assert set(ROLES[lower]) <= set(ROLES[higher])


@pytest.mark.parametrize("role", ROLES)
def test_a_role_lists_scopes_as_tokens_do(role):
    """Known scopes, each once, in the order of tokens."""
    assert [scope for scope in ALL_SCOPES if scope in ROLES[role]] == list(ROLES[role])
    assert ROLES[role]


def allowed(role):
    """List what a role may call, without OPTIONS, open routes and those for any token."""
    table = routing_table(build_framework())
    return {route for route, scope in table.items() if scope not in {None, ANY} and scope in ROLES[role]}


def test_viewers_only_look():
    """Whatever a viewer may call reads: queries, previews, and exports, which are theirs to give up."""
    assert {route for route in allowed(VIEWER) if not route.startswith("GET")} == {
        "POST /api/aspectstore/v1/query",
        "POST /api/aspectstore/v1/aspecttypes/{type_id}/preview",
        "POST /api/aspectstore/v1/exports",
        "DELETE /api/aspectstore/v1/exports/{export_id}",
        "POST /api/v2/query",
        "POST /query",
        "POST /api/v0/select",
        "POST /api/v0/{stream}/select",
        "POST /api/v0/{stream}/{symbol}/select",
    }


def test_who_only_uploads_reads_no_data():
    """An upload-only credential writes records and imports, and asks what became of them."""
    assert {route for route in allowed(UPLOAD_ONLY) if route.startswith("GET")} == {
        "GET /api/aspectstore/v1/filetypes",
        "GET /api/aspectstore/v1/filetypes/{name}",
        "GET /api/aspectstore/v1/jobs",
        "GET /api/aspectstore/v1/jobs/{job_id}",
        "GET /api/aspectstore/v1/jobs/{job_id}/events",
        "GET /api/aspectstore/v1/receipts/{receipt}",
        "GET /api/iottsbulk/v3/importJobs/{job_id}",
    }
    assert not {route for route in allowed(UPLOAD_ONLY) if route.startswith("DELETE")}


def test_each_scope_is_somebodys():
    """Every scope that a route asks for is known, and a tenant's admin has it, but for the platform's."""
    asked = {scope for scope in routing_table(build_framework()).values() if scope}

    assert asked <= set(ALL_SCOPES)
    assert set(ROLES[TENANT_ADMIN]) == set(ALL_SCOPES) - {PLATFORM}


def test_only_the_platform_admin_manages_tenants():
    """Of all roles one reaches over the tenants (design 7)."""
    assert {role for role in ROLES if PLATFORM in ROLES[role]} == {PLATFORM_ADMIN}
