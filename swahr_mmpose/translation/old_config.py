"""An MMPose 0.x config whose settings are taken one by one; the rest has no counterpart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Default of a setting that must be there, and of one that may be absent.
_NEEDED: Any = object()
_ABSENT: Any = object()


class OldConfigError(ValueError):
    """A config that can't be translated.

    Examples:
        >>> OldConfig({}).take("model.type")
        Traceback (most recent call last):
            ...
        swahr_mmpose.translation.old_config.OldConfigError: The config has no `model.type`. ...
    """


def plain(value: Any) -> Any:
    """The value with dictionaries and lists of its own."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


class OldConfig:
    """Settings of a config, to be taken one by one by their dotted keys.

    Examples:
        >>> old = OldConfig(dict(model=dict(type="AssociativeEmbedding", neck=dict(type="FPN"))))
        >>> old.take("model.type")
        'AssociativeEmbedding'
        >>> list(old.left())
        [('model.neck.type', 'FPN')]
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = plain(content)
        #: The key that was taken last, to say where a value is not as expected.
        self.latest = ""

    def take(self, key: str, default: Any = _NEEDED) -> Any:
        """The value of a dotted key, which is left no longer.

        Raises:
            OldConfigError: If there is none, and no default.
        """
        self.latest = key
        *folders, name = key.split(".")
        content = self._content
        for folder in folders:
            content = content.get(folder, {}) if isinstance(content, dict) else {}
        if isinstance(content, dict) and name in content:
            return content.pop(name)
        if default is _NEEDED:
            raise OldConfigError(
                f"The config has no `{key}`. Give a config of MMPose 0.x for HigherHRNet with "
                "associative embedding."
            )
        return default

    def look(self, key: str, default: Any = _NEEDED) -> Any:
        """As :meth:`take`, but the value is left as it was."""
        value = self.take(key, default)
        if value is not default:
            self.put(key, value)
        return value

    def drop(self, key: str, *expected: Any) -> None:
        """Forget a setting that has one of the expected values, which hold here anyway."""
        value = self.take(key, _ABSENT)
        if value is not _ABSENT and value not in expected:
            self.put(key, value)

    def put(self, key: str, value: Any) -> None:
        """Leave a value, as what has no counterpart."""
        *folders, name = key.split(".")
        content = self._content
        for folder in folders:
            content = content.setdefault(folder, {})
        content[name] = value

    def left(self) -> Iterator[tuple[str, Any]]:
        """Dotted keys and values that have not been taken."""
        yield from _leaves(self._content, "")


def _leaves(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def check_settings(kind: Callable[..., Any], settings: dict[str, Any], key: str) -> None:
    """Raise an OldConfigError where one of our parts refuses what MMPose 0.x takes."""
    try:
        kind(**{name: value for name, value in settings.items() if name != "type"})
    except (TypeError, ValueError, AssertionError) as error:
        raise OldConfigError(f"`{key}` can't be translated. {error}") from error
