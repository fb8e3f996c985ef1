"""Which files an address names: on the web, in a bucket, on GitHub."""

from __future__ import annotations

from ragpg.errors import LoadError
from ragpg.reading.remote import WEB, RemoteFile, file_of_web, files_of_bucket

_BUCKETS = ("s3", "gs", "gcs", "az", "abfs")  # az: Azure, with adlfs


def is_remote(argument: object) -> bool:
    """Returns whether it is an address: a scheme and //, as no path has them."""
    scheme, found, _ = str(argument).partition("://")
    return bool(found) and scheme.isalnum()


def find_remote(url: str, skipped: dict[str, str]) -> list[RemoteFile]:
    """Returns the files an address names: one, all below a prefix of a bucket, or of a pattern.

    LoadError says why there is none; `skipped` is told what is no file.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in WEB:
        return [file_of_web(url)]
    if scheme == "github":
        from ragpg.reading.github import find_on_github

        found = find_on_github(url, skipped)
    elif scheme in _BUCKETS:
        found = files_of_bucket(url)
    else:
        known = ", ".join(f"{one}://" for one in (*_BUCKETS, "github", *WEB))
        raise LoadError(f"{url} is no address that is read: {known}")
    if not found:
        raise LoadError(f"{url} holds no file")
    return found


def source_beginning(url: str) -> str:
    """Returns what the sources of the files begin with that an address names."""
    if not url.startswith("github://"):
        return url
    from ragpg.reading.github import source_on_github

    return source_on_github(url)


def is_pattern(url: str) -> bool:
    """Returns whether an address is a pattern of files; a web address has its ? otherwise."""
    return not url.startswith(WEB) and any(one in url for one in "*?[")
