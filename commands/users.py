"""`carecall user …` and `carecall token …`: who may sign in to the console, and which programs may use the API."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable

from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from console import tokens, users
from console.roles import ROLES
from console.tokens import TokenProblem
from console.users import UserProblem
from core.tables import FileProblem
from core.values import KNOWN_LANGUAGES

Add = Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    _user_words(add("user", list_users, "Who may sign in to the console: add, list, password, disable."))
    _token_words(add("token", list_tokens, "Programs that may use the API: add, list, revoke."))


def _user_words(made: argparse.ArgumentParser) -> None:
    words = made.add_subparsers(required=True, metavar="what", dest="what")
    new = words.add_parser("add", help="a new user; the password is asked for")
    new.set_defaults(command=add_user)
    new.add_argument("login", help="the same as in the staff file for somebody who answers callers")
    new.add_argument("--role", choices=ROLES, required=True)
    new.add_argument("--name", required=True, help="what the others see")
    new.add_argument("--language", choices=KNOWN_LANGUAGES, help="default: the hospital's first")
    again = words.add_parser("password", help="a new password; opens a lock, and a disabled user")
    again.set_defaults(command=set_password)
    again.add_argument("login")
    for one in (new, again):
        one.add_argument("--password-stdin", action="store_true", help="read it from the first line of standard input")
    out = words.add_parser("disable", help="shut out at once, everywhere")
    out.set_defaults(command=disable)
    out.add_argument("login")
    words.add_parser("list", help="everybody").add_argument("--json", action="store_true")


def _token_words(made: argparse.ArgumentParser) -> None:
    words = made.add_subparsers(required=True, metavar="what", dest="what")
    new = words.add_parser("add", help="a new token; it is shown once")
    new.set_defaults(command=add_token)
    new.add_argument("title", help="whose it is, such as wechat-form")
    new.add_argument("--scopes", nargs="+", choices=tokens.SCOPES, required=True)
    gone = words.add_parser("revoke", help="it opens nothing from now on")
    gone.set_defaults(command=revoke)
    gone.add_argument("title")
    words.add_parser("list", help="every token, never the token itself").add_argument("--json", action="store_true")


# ---- users ---------------------------------------------------------------------------------------
def add_user(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    language = args.language or house.settings.hospital.languages[0]
    password = _password(from_stdin=args.password_stdin)
    with _told(UserProblem), house.transaction() as session:
        users.add(session, args.login, args.role, args.name, language, password, login(), house.clock.now())
    print(f"{args.login} may sign in as {args.role}")
    return 0


def set_password(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    password = _password(from_stdin=args.password_stdin)
    with _told(UserProblem), house.transaction() as session:
        users.set_password(session, args.login, password, login(), house.clock.now())
    print(f"{args.login} has a new password and is signed out everywhere")
    return 0


def disable(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with _told(UserProblem), house.transaction() as session:
        users.disable(session, args.login, login(), house.clock.now())
    print(f"{args.login} is shut out; `carecall user password {args.login}` lets them in again")
    return 0


def list_users(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now = house.clock.now()
    with house.transaction() as session:
        rows = [
            {
                "login": user.login,
                "name": user.name,
                "role": user.role,
                "language": user.language,
                "state": "disabled" if not user.active else "locked" if users.is_locked(user, now) else "active",
                "last_seen_at": user.last_seen_at,
            }
            for user in users.listed(session)
        ]
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


# ---- tokens --------------------------------------------------------------------------------------
def add_token(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with _told(TokenProblem), house.transaction() as session:
        token = tokens.add(session, args.title, args.scopes, login(), house.clock.now())
    print("keep it now, it cannot be shown again:", file=sys.stderr)
    print(token)
    return 0


def revoke(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with _told(TokenProblem), house.transaction() as session:
        tokens.revoke(session, args.title, login(), house.clock.now())
    print(f"the token {args.title} opens nothing any more")
    return 0


def list_tokens(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        rows = [
            {
                "title": token.title,
                "scopes": token.scopes,
                "by": token.made_by,
                "made_at": token.made_at,
                "used_at": token.used_at,
                "revoked_at": token.revoked_at,
            }
            for token in tokens.listed(session)
        ]
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


# ---- both ----------------------------------------------------------------------------------------
class _told:
    """A refusal becomes the sentence the command line prints, and exit code 2."""

    def __init__(self, problem: type[Exception]) -> None:
        self._problem = problem

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._problem):
            raise FileProblem(str(error)) from error


def _password(*, from_stdin: bool) -> str:
    """Never an argument: other users of the machine can read those."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise FileProblem("There is no terminal to ask for the password: give it with --password-stdin.")
    password = getpass.getpass("password: ")
    if getpass.getpass("once more: ") != password:
        raise FileProblem("The password was not the same both times; nothing is changed.")
    return password
