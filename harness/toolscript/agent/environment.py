"""Decides how settings in the environment are read: above the user's file, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from toolscript.errors import Json

Tables = dict[str, dict[str, Json]]


class _Settings(BaseSettings):
    """The user's file with the environment above it: ``TOOLSCRIPT_AGENTS__OPENAI__MODEL``."""

    model_config = SettingsConfigDict(
        env_prefix="TOOLSCRIPT_", env_nested_delimiter="__", extra="forbid", case_sensitive=False
    )

    default_agent: str | None = None
    agents: Tables = Field(default_factory=dict)
    rules: tuple[dict[str, Json], ...] = ()
    mcp: Tables = Field(default_factory=dict)
    workers: dict[str, Json] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the file, which comes as init arguments; no .env file is read."""
        return env_settings, init_settings


def above(data: Mapping[str, Json]) -> dict[str, Any]:
    """Return the file's tables with the environment above them. Raises pydantic's ValidationError."""
    return _Settings(**data).model_dump()
