"""One comment per pull request and name, updated rather than repeated, through GitHub's REST API; and annotations."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgebench.report.comparison.sheet import command, escape

__all__ = ["annotate", "comment", "escape"]

# Whose comments may be replaced: somebody else could have written the marker too, to own what is put there.
TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")

# GitHub's limit on a comment is 65,536 characters; the rest is for the marker and the note that something was cut.
LONGEST = 65_000
PAGE = 100


def annotate(level: str, message: str) -> None:
    """A workflow command on standard output."""
    print(command(level, "edgebench", message), flush=True)


def comment(environment: Mapping[str, str], name: str, token: str, text: str) -> None:
    """Writes `text` as the comment of that name, replacing the one that an earlier run wrote.

    Does nothing outside of a pull request. What GitHub refuses, such as a fork's read-only token, is a warning.
    """
    number = pull_request_number(environment.get("GITHUB_EVENT_PATH"))
    if number is None:
        return
    api = Api(environment, token)
    marker = f"<!-- edgebench: {escape(name)} -->"
    body = f"{marker}\n{shortened(text)}"
    try:
        mine = next((each["id"] for each in api.comments(number) if is_mine(each, marker)), None)
        if mine is None:
            api.send("POST", f"issues/{number}/comments", {"body": body})
        else:
            api.send("PATCH", f"issues/comments/{mine}", {"body": body})
    except (urllib.error.URLError, TimeoutError, ValueError, KeyError) as error:
        annotate("warning", f"no comment on pull request {number} ({error}): see the step summary; it needs the "
                 "permission 'pull-requests: write', which a pull request from a fork does not have")  # fmt: skip


def is_mine(comment: Mapping[str, Any], marker: str) -> bool:
    """Whether an earlier run wrote this comment."""
    known = comment["user"]["type"] == "Bot" or comment["author_association"] in TRUSTED
    return known and str(comment["body"]).startswith(marker)


def pull_request_number(event: str | None) -> int | None:
    """The pull request that the event is about, or None."""
    if not event or not Path(event).exists():
        return None
    data = json.loads(Path(event).read_text("utf-8"))
    number = data.get("pull_request", {}).get("number")
    return number if isinstance(number, int) else None


def shortened(text: str) -> str:
    """The text, cut at a line where it is longer than a comment may be."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST].rpartition("\n")[0] + "\n\n_Cut here: the whole is in the step summary and the artefact._\n"


class Api:
    """The few calls of GitHub's REST API that a comment takes."""

    def __init__(self, environment: Mapping[str, str], token: str) -> None:
        server = environment.get("GITHUB_API_URL", "https://api.github.com")
        self._root = f"{server}/repos/{environment.get('GITHUB_REPOSITORY', '')}"
        self._token = token

    def comments(self, number: int) -> Iterator[dict[str, Any]]:
        """All comments of a pull request, page by page."""
        page = 1
        while True:
            found = self.send("GET", f"issues/{number}/comments?per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def send(self, method: str, path: str, content: dict[str, str] | None = None) -> Any:
        """One call. Raises urllib.error.URLError when it is refused or out of reach, ValueError for no JSON."""
        request = urllib.request.Request(
            f"{self._root}/{path}",
            method=method,
            data=json.dumps(content).encode() if content else None,
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
