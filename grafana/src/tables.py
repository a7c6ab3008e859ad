"""The tables of this house: rows with columns of their own, and one label against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import common, dashboard

from grafana.src import house
from grafana.src.words import Words, always, mapping


@dataclass(frozen=True)
class Column:
    """One column of a table: the label that it shows and how."""

    label: str
    title: str
    width: int | None = None
    words: Words | None = None
    unit: str = house.NO_UNIT
    link: str = ""
    filled: bool = False
    at_least: int | None = None  # of a column that shares what the others leave


def table_panel(about: house.About, expression: str, columns: Sequence[Column]) -> table.Panel:
    """Show the rows of one query; every label of the query is a column or is hidden."""
    panel = (
        house.dressed(table.Panel(), about)
        .with_target(house.instant(expression))
        .unit(house.NO_UNIT)
        .show_header(True)
        .transformations([_organised(columns)])
    )
    for column in columns:
        panel.override_by_name(column.title, _properties(column))
    return panel


def _organised(columns: Sequence[Column]) -> dashboard.DataTransformerConfig:
    shown = [column.label for column in columns]
    options: dict[str, object] = {
        "excludeByName": {name: True for name in ("Time", "Value") if name not in shown},
        "indexByName": {label: index for index, label in enumerate(shown)},
        "renameByName": {column.label: column.title for column in columns},
    }
    return dashboard.DataTransformerConfig(id_val="organize", options=options)


@dataclass(frozen=True)
class Axes:
    """The labels that become rows and columns, and in which order known columns stand."""

    row: str
    column: str
    title: str
    order: tuple[str, ...] = ()
    width: int = 110


def matrix_panel(about: house.About, expression: str, axes: Axes) -> table.Panel:
    """Show one label against another."""
    corner = f"{axes.row}\\{axes.column}"
    pivot: dict[str, object] = {
        "columnField": axes.column,
        "rowField": axes.row,
        "valueField": "Value",
        "emptyValue": "null",
    }
    places = {name: place for place, name in enumerate(axes.order, 1)}
    tidy: dict[str, object] = {
        "renameByName": {corner: axes.title},
        "indexByName": {corner: 0, **places},
    }
    by_row: dict[str, object] = {"fields": {}, "sort": [{"field": axes.title}]}
    panel = (
        house.dressed(table.Panel(), about)
        .with_target(house.instant(expression))
        .unit(house.NO_UNIT)
    )
    panel.align(common.FieldTextAlignment.CENTER).min_width(80)
    panel.transformations(
        [
            dashboard.DataTransformerConfig(id_val="groupingToMatrix", options=pivot),
            dashboard.DataTransformerConfig(id_val="organize", options=tidy),
            dashboard.DataTransformerConfig(id_val="sortBy", options=by_row),
        ]
    )
    return panel.override_by_name(
        axes.title, house.properties({"custom.width": axes.width, "custom.align": "left"})
    )


def colour_numbers(panel: table.Panel, words: Words) -> None:
    """Let the words of codes fill their cells."""
    panel.override_by_field_type("number", house.properties(filled_cells(words)))


def filled_cells(words: Words) -> dict[str, object]:
    """Write the properties of a column whose cells are filled with the colour of their word."""
    return {"mappings": [mapping(words)], **_cells("color-background", wrapped=True)}


def _properties(column: Column) -> list[house.Property]:
    found: dict[str, object] = {"unit": column.unit, "custom.align": "left"}
    if column.width:
        found["custom.width"] = column.width
    if column.at_least:
        found["custom.minWidth"] = column.at_least
    if column.words:
        found["mappings"] = [mapping(column.words)]
    told = "color-text" if column.words and column.unit == house.NO_UNIT else "auto"
    found.update(_cells("color-background" if column.filled else told, wrapped=not column.link))
    if column.link:
        found["mappings"] = [always("open")]
        found["links"] = [{"title": column.title, "url": column.link, "targetBlank": True}]
    return house.properties(found)


def _cells(kind: str, *, wrapped: bool) -> dict[str, object]:
    """Write how cells look: `auto`, `color-text` or `color-background`, and whether lines break.

    What is only a link is not ``wrapped``: its row would be as high as the address is long.
    """
    filled: dict[str, object] = {"mode": "basic"} if kind == "color-background" else {}
    return {
        "custom.cellOptions": {"type": kind, "wrapText": wrapped, **filled},
        "custom.wrapText": wrapped,  # since Grafana 12.1; before, it was the option above
    }
