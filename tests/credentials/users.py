"""Cases: tokens, certificates, passwords, impersonation, auth providers and credentials plugins."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from tests.credentials.world import Object, Setup, World

GROUP = "client.authentication.k8s.io"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def certificate(world: World, *fields: str, **others: str) -> Setup:
    """A user with these of the four fields of a client certificate."""
    cert, key = world.certificate()
    values = {
        "client-certificate": world.file("cert", cert),
        "client-key": world.file("key", key),
        "client-certificate-data": encoded(cert),
        "client-key-data": encoded(key),
    }
    return world.one({field: values[field] for field in fields} | others)


def token_file(world: World, content: str, **fields: str) -> Setup:
    return world.one({"tokenFile": world.file("token", content)} | fields)


def both_token_file_and_username(world: World) -> Setup:
    return token_file(world, world.tokens["a", "one"], username="me", password="x")


# ---- exec


def plugin(world: World, script: str, version: str = "v1", mode: str | None = "Never", **fields: Any) -> Object:
    """A user with a plugin: a shell script."""
    command = world.file("plugin", f"#!/bin/sh\n{script}\n", 0o755)
    found = {"apiVersion": f"{GROUP}/{version}", "command": command, "interactiveMode": mode} | fields
    return {"exec": {key: value for key, value in found.items() if value is not None}}


def credential(status: Object, version: str = "v1") -> str:
    """A script that prints an ExecCredential."""
    text = json.dumps({"kind": "ExecCredential", "apiVersion": f"{GROUP}/{version}", "status": status})
    return f"cat <<'END'\n{text}\nEND"


def token_from(world: World, before: str = "", version: str = "v1", mode: str | None = "Never", **fields: Any) -> Setup:
    """A plugin that gives user two's token, after the lines `before`."""
    script = f"{before}\n{credential({'token': world.tokens['a', 'two']}, version)}"
    return world.one(plugin(world, script, version, mode, **fields))


def certificate_from(world: World) -> Setup:
    cert, key = (each.decode() for each in world.certificate("dave"))
    return world.one(plugin(world, credential({"clientCertificateData": cert, "clientKeyData": key})))


def on_the_path(world: World) -> Setup:
    setup = token_from(world, command="my-plugin")
    (world.folder / "plugin").rename(world.folder / "my-plugin")
    return Setup({**setup.env, "PATH": f"{world.folder}:/usr/bin:/bin"})


def told_about_the_cluster(world: World, extension: bool = True) -> Setup:
    """A plugin that fails unless it is told about the cluster as kubectl does it."""
    checks = [f'"server": *"https://127.0.0.1:{world.port()}"', '"certificate-authority-data"', '"interactive": *false']
    cluster = world.cluster()
    if extension:
        cluster["extensions"] = [{"name": f"{GROUP}/exec", "extension": {"audience": "spam"}}]
        checks.append('"config": *{"audience": *"spam"}')
    before = "\n".join(f"echo \"$KUBERNETES_EXEC_INFO\" | grep -q '{check}' || exit 7" for check in checks)
    user = plugin(world, f"{before}\n{credential({'token': world.tokens['a', 'two']})}", provideClusterInfo=True)
    return world.one(user, cluster)


def failing(world: World, script: str, **fields: Any) -> Setup:
    return world.one(plugin(world, script, **fields))


# ---- auth-provider


def oidc(world: World, lifetime: float, name: str = "oidc", **config: str) -> Setup:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time() + lifetime)}).encode()).decode().rstrip("=")
    given = {"idp-issuer-url": "https://192.0.2.1", "client-id": "kubernetes", "id-token": f"e30.{claims}.c2ln"}
    return world.one({"auth-provider": {"name": name, "config": given | config}})


def impersonating(world: World, **fields: Any) -> Setup:
    return world.one(world.admin() | {key.replace("_", "-"): value for key, value in fields.items()})


SAME: dict[str, Callable[[World], Setup]] = {
    "token": lambda w: w.one(w.token("two")),
    "tokenFile": lambda w: token_file(w, w.tokens["a", "one"]),
    "tokenFile that ends in a newline": lambda w: token_file(w, f"{w.tokens['a', 'one']}\n"),
    "tokenFile and token: the file wins": lambda w: token_file(w, w.tokens["a", "two"], token=w.tokens["a", "one"]),
    "tokenFile and a password without a username": lambda w: token_file(w, w.tokens["a", "one"], password="x"),
    "an empty tokenFile, and token": lambda w: token_file(w, "", token=w.tokens["a", "one"]),
    "a token of another server": lambda w: w.one(w.token("one", "b")),
    "client certificate and key in files": lambda w: certificate(w, "client-certificate", "client-key"),
    "client certificate and key inline": lambda w: certificate(w, "client-certificate-data", "client-key-data"),
    "client certificate inline, key in a file": lambda w: certificate(w, "client-certificate-data", "client-key"),
    "client certificate and token": lambda w: certificate(
        w, "client-certificate", "client-key", token=w.tokens["a", "one"]
    ),
    "a key without a certificate, and token": lambda w: certificate(w, "client-key", token=w.tokens["a", "one"]),
    "username and password": lambda w: w.one({"username": "me", "password": "no: wörd"}),
    "as": lambda w: impersonating(w, **{"as": "erin"}),
    "as, as-groups, as-uid and as-user-extra": lambda w: impersonating(
        w,
        **{"as": "erin", "as_groups": ["devs", "ops"], "as_uid": "7", "as_user_extra": {"scopes/x": ["a", "b"]}},
    ),
    "exec v1": token_from,
    "exec v1beta1 without interactiveMode": lambda w: token_from(w, version="v1beta1", mode=None),
    "exec with IfAvailable": lambda w: token_from(w, mode="IfAvailable"),
    "exec with env": lambda w: token_from(
        w, '[ "$AS" = me ] && [ -n "$HOME" ] || exit 7', env=[{"name": "AS", "value": "me"}]
    ),
    "exec with args": lambda w: token_from(w, '[ "$2" = "two words" ] || exit 7', args=["login", "two words"]),
    "exec with a command on the PATH": on_the_path,
    "exec with a command relative to the file": lambda w: token_from(w, command="./plugin"),
    "exec with provideClusterInfo": told_about_the_cluster,
    "exec without provideClusterInfo": lambda w: token_from(
        w, 'case "$KUBERNETES_EXEC_INFO" in *server*) exit 7;; esac'
    ),
    "exec that gives a certificate": certificate_from,
    "exec and token: the plugin is not run": lambda w: w.one(w.token("one") | plugin(w, "exit 7")),
    "exec with null fields": lambda w: token_from(w, args=[], env=[], installHint="x"),
    "auth-provider oidc with a fresh id-token": lambda w: oidc(w, 3600),
}
REFUSED: dict[str, tuple[Callable[[World], Setup], str]] = {
    "a missing tokenFile": (lambda w: w.one({"tokenFile": "/nonexistent"}), "cannot read tokenFile"),
    "tokenFile and username": (both_token_file_and_username, "both tokenFile and username"),
    "token and username": (lambda w: w.one(w.token() | {"username": "me"}), "both token and username"),
    "a token with a line break in it": (lambda w: w.one({"token": "a\nb"}), "no HTTP header can carry"),
    "a token that is a number": (lambda w: w.one({"token": 7}), "token is not a string"),
    "a client certificate without a key": (lambda w: certificate(w, "client-certificate"), "without client-key"),
    "a client certificate twice": (
        lambda w: certificate(w, "client-certificate", "client-certificate-data", "client-key"),
        "both client-certificate and client-certificate-data",
    ),
    "a client key twice": (
        lambda w: certificate(w, "client-certificate", "client-key-data", "client-key"),
        "both client-key and client-key-data",
    ),
    "a client certificate that is none": (
        lambda w: w.one({"client-certificate-data": encoded(b"x"), "client-key-data": encoded(b"x")}),
        "are not a certificate and its",
    ),
    "a client certificate that is not base64": (
        lambda w: w.one({"client-certificate-data": "%", "client-key-data": "%"}),
        "is not base64",
    ),
    "no credentials": (lambda w: w.one({}), "without credentials"),
    "as-groups without as": (lambda w: impersonating(w, as_groups=["devs"]), "without as"),
    "as with an http:// server": (
        lambda w: w.one({"as": "erin"}, {"server": "http://127.0.0.1:1"}),
        "as with an http:// server",
    ),
    "an unknown field of the user": (lambda w: w.one(w.token() | {"token-file": "/x"}), "token-file that is not in"),
    "exec v1alpha1": (lambda w: token_from(w, version="v1alpha1"), "exec.apiVersion other than"),
    "exec v1 without interactiveMode": (lambda w: token_from(w, mode=None), "interactiveMode is not set"),
    "exec with another interactiveMode": (lambda w: token_from(w, mode="Often"), "interactiveMode is not Never"),
    "exec without a command": (lambda w: token_from(w, command=None), "command is not set"),
    "exec with a variable without a value's name": (lambda w: token_from(w, env=[{"value": "x"}]), "has no name"),
    "auth-provider oidc, id-token expired": (lambda w: oidc(w, -1), "auth-provider other than oidc"),
    "auth-provider oidc, public client, expired": (
        lambda w: oidc(w, -1, **{"refresh-token": "canary-1234"}),
        "auth-provider other than oidc",
    ),
    "auth-provider azure": (lambda w: oidc(w, 3600, "azure"), "auth-provider other than oidc"),
    "auth-provider and exec": (
        lambda w: w.one(plugin(w, "exit 7") | {"auth-provider": {"name": "oidc"}}),
        "both auth-provider and exec",
    ),
}
NOBODY: dict[str, tuple[Callable[[World], Setup], str]] = {
    "tokenFile and username": (both_token_file_and_username, "both tokenFile and username"),
    "exec that fails": (lambda w: failing(w, "echo no ticket >&2; exit 3"), "failed with exit code 3: no ticket"),
    "exec that is not there": (
        lambda w: failing(w, "", command="/nonexistent", installHint="get it"),
        "there is no such program; get it",
    ),
    "exec that prints no JSON": (lambda w: failing(w, "echo hello"), "output is not JSON"),
    "exec that prints nothing": (lambda w: failing(w, ":"), "output is not JSON"),
    "exec that prints another kind": (lambda w: failing(w, "echo '{}'"), "is not an ExecCredential"),
    "exec that prints another version": (
        lambda w: failing(w, credential({"token": "x"}, "v1beta1")),
        "is not of the kubeconfig's exec.apiVersion",
    ),
    "exec without a status": (lambda w: failing(w, credential({})), "neither a token nor a certificate"),
    "exec with a certificate without a key": (
        lambda w: failing(w, credential({"clientCertificateData": "x"})),
        "only one of certificate and key",
    ),
    "exec that prints a token of blanks": (
        lambda w: failing(w, credential({"token": " \n"})),
        "neither a token nor a certificate",
    ),
    "exec that prints a token with a line break in it": (
        lambda w: failing(w, credential({"token": "canary\n1234"})),
        "output has a token with characters that no HTTP header can carry; update the plugin",
    ),
    "exec that prints a token that is not Unicode": (
        lambda w: failing(w, credential({"token": "canary\ud800"})),
        "output has a token with characters that no HTTP header can carry; update the plugin",
    ),
    "exec that prints a certificate that is none": (
        lambda w: failing(w, credential({"clientCertificateData": "canary-1", "clientKeyData": "canary-2"})),
        "output has a certificate and a key that do not belong together",
    ),
    "exec that prints another certificate's key": (
        lambda w: failing(
            w,
            credential(
                {
                    "clientCertificateData": w.certificate("dave")[0].decode(),
                    "clientKeyData": w.certificate("carol")[1].decode(),
                }
            ),
        ),
        "output has a certificate and a key that do not belong together",
    ),
    "exec that wants a terminal": (lambda w: token_from(w, mode="Always"), "standard input is not a terminal"),
}
