"""The defaults that every dashboard of this house has, in one place.

Panels get their ids by hand, so that links to a panel stay right when others are added; the flow
from left to right gives them their places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, Union

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from exporter.installation.metrics import NODE_INFO
from exporter.ports.metrics import PORT_LISTENING
from grafana.src.promql import Scope, Source, or_zero
from grafana.src.words import NEUTRAL, NONE, Words, mapping

TAG = "opengauss"
DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
REFRESH = "10s"
PER_SECOND = "suffix: /s"
COUNTED = ("short", PER_SECOND)  # units of lines that mostly lie at 0
NO_UNIT = "string"  # words and ids; Grafana puts nothing behind them

Panel = Union[stat.Panel, table.Panel, timeseries.Panel, statetimeline.Panel]
Property = dashboard.DynamicConfigValue
P = TypeVar("P", stat.Panel, table.Panel, timeseries.Panel, statetimeline.Panel)


@dataclass(frozen=True)
class About:
    """What every panel has: its id, its words for people, and its size on a grid 24 wide."""

    number: int
    title: str
    description: str
    width: int = 24
    height: int = 6


def query(expression: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """Ask over the time range."""
    return _query(expression, ref).legend_format(legend).range()


def instant(expression: str, ref: str = "A") -> prometheus.Dataquery:
    """Ask for the end of the time range, as a table."""
    return _query(expression, ref).instant().format(PromQueryFormat.TABLE)


def _query(expression: str, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).ref_id(ref).datasource(DATASOURCE)


def dressed(panel: P, about: About) -> P:
    """Give a panel what every panel has."""
    panel.id(about.number).title(about.title).description(about.description)
    panel.span(about.width).height(about.height).datasource(DATASOURCE)
    return panel


def stat_panel(
    about: About, expression: str, words: Words, colour: str = NEUTRAL, unit: str = "none"
) -> stat.Panel:
    """Show one value in large: its word, or the number in the colour where it has none."""
    reduce = common_builders.ReduceDataOptions().calcs(["lastNotNull"])
    step = dashboard.Threshold(color=colour)
    thresholds = builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps([step])
    return (
        dressed(stat.Panel(), about)
        .with_target(instant(expression))
        .unit(unit)
        .mappings([mapping(words)])
        .thresholds(thresholds)
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE)
        .reduce_options(reduce)
    )


def count_panel(about: About, rows: str, colour: str) -> stat.Panel:
    """Show how many rows there are, in the colour of what they mean, or `none`."""
    return stat_panel(about, or_zero(f"count({rows})"), {"0": NONE}, colour)


def properties(found: dict[str, object]) -> list[Property]:
    """Write the properties of an override."""
    return [Property(id_val=key, value=value) for key, value in found.items()]


def state_panel(about: About, rows: Sequence[tuple[str, str, Words]]) -> statetimeline.Panel:
    """Show states above each other on one time axis: (query, legend, words of its codes) each."""
    panel = dressed(statetimeline.Panel(), about).unit(NO_UNIT).fill_opacity(80)
    panel.legend(common_builders.VizLegendOptions().show_legend(False))
    for ref, (expression, legend, words) in zip("ABCDEFGH", rows):
        panel.with_target(query(expression, legend, ref))
        panel.override_by_query(ref, properties({"mappings": [mapping(words)]}))
    return panel.show_value(common.VisibilityMode.AUTO).row_height(0.85)


def series_panel(
    about: About,
    queries: Sequence[tuple[str, str]],
    unit: str = "short",
    colours: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Show lines over time: (query, legend) each; ``colours`` are those of lines with a meaning."""
    legend = common_builders.VizLegendOptions().show_legend(True)
    legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)
    panel = dressed(timeseries.Panel(), about).unit(unit).min(0).legend(legend).fill_opacity(5)
    panel.color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC))
    for name, colour in {"none": NEUTRAL, **(colours or {})}.items():
        fixed: dict[str, object] = {"color": {"mode": "fixed", "fixedColor": colour}}
        panel.override_by_name(name, properties(fixed))
    if unit in COUNTED:
        panel.axis_soft_max(1)
    for ref, (expression, name) in zip("ABCDEFGH", queries):
        panel.with_target(query(expression, name, ref))
    return panel


def annotation(
    name: str, expression: str, title: str, tags: str, colour: str
) -> builders.AnnotationQuery:
    """Mark moments on every panel; the expression's values are the moments, in milliseconds."""
    return (
        builders.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .target(query(expression))
        .title_format(title)
        .tag_keys(tags)
        .use_value_for_time(True)
        .icon_color(colour)
        .enable(True)
        .hide(False)
    )


_LABELS = {"node": "node_name"}


def variables(scope: Scope, *, every_cluster: bool) -> list[builders.QueryVariable]:
    """Write the variables, each narrowed by those before it.

    ``cluster`` has one value, that may be empty: without the label one Prometheus watches one
    cluster. With ``every_cluster`` it may be all of them.
    """
    narrowing: list[str] = []
    found = []
    for name in scope.variables:
        source = PORT_LISTENING if name == "endpoint" else NODE_INFO
        variable = _variable(name, Scope(tuple(narrowing)), source)
        if name != "cluster":
            _may_be_all(variable, ".+")
        elif every_cluster:
            _may_be_all(variable, ".*")
        found.append(variable)
        narrowing.append(name)
    return found


def _variable(name: str, before: Scope, source: Source) -> builders.QueryVariable:
    variable = builders.QueryVariable(name).label(name.capitalize()).datasource(DATASOURCE)
    variable.query(f"label_values({before.select(source)}, {_LABELS.get(name, name)})")
    variable.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    return variable


def _may_be_all(variable: builders.QueryVariable, value: str) -> None:
    variable.multi(True).include_all(True).all_value(value)
    variable.current(dashboard.VariableOption(text="All", value="$__all"))


def filled(made: builders.Dashboard, panels: Iterable[Panel]) -> builders.Dashboard:
    """Put the panels on the page, from left to right."""
    for panel in panels:
        made.with_panel(panel)
    return made


def page(
    uid: str, title: str, description: str, scope: Scope, *, every_cluster: bool = False
) -> builders.Dashboard:
    """Begin a dashboard: read-only, with a data source to choose and links to its companions."""
    first = builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    made = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh(REFRESH)
        .timezone("browser")
        .with_variable(first)
        .link(_companions())
    )
    for variable in variables(scope, every_cluster=every_cluster):
        made.with_variable(variable)
    return made


def _companions() -> builders.DashboardLink:
    link = builders.DashboardLink("openGauss").type(dashboard.DashboardLinkType.DASHBOARDS)
    return link.tags([TAG]).as_dropdown(False).include_vars(True).keep_time(True)
