"""File types that come along: formats of loggers, tools and historians, each to be used as it is or copied.

A preset names no asset: whoever imports does. Times without zone are UTC in all of them, as loggers are set
up; where a site's logger follows a local clock, copy the preset and declare the zone and its two rules.
"""

from __future__ import annotations

from schemas.aspects import TIME_MEMBER
from schemas.filetypes.model import FileFormat, FileType, Narrow, NewColumns, Rule

_CAMPBELL_HEAD = ("format", "station", "model", "serial", "os", "program", "signature", "table")
_EXTEND = NewColumns.EXTEND

PRESETS = {
    preset.name: preset
    for preset in (
        FileType(
            name="campbell-toa5",
            description="Campbell Scientific TOA5: names, units and statistics in lines 2 to 4",
            metadata_names=_CAMPBELL_HEAD,
            units_row=1,
            statistics_row=2,
            skip_rows=2,
            na_values=("NAN", "-NAN", "NaN", "INF", "-INF", "-7999"),
            time_columns=("TIMESTAMP",),
            time_formats=("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%d/%m/%Y %H:%M:%S%z"),
            zone="UTC",
            aspect="logger",
            new_columns=_EXTEND,
        ),
        FileType(
            name="windographer-text",
            description="Windographer text: metadata lines, then a table with tabs",
            delimiter="\t",
            na_values=("-9999", "-999", "NaN"),
            time_columns=("Date/Time",),
            time_formats=("%d/%m/%Y %H:%M:%S%z", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M"),
            zone="UTC",
            aspect="logger",
            new_columns=_EXTEND,
        ),
        FileType(
            name="nrg-text",
            description="NRG-like text: metadata lines, then a table with tabs from a Timestamp on",
            delimiter="\t",
            na_values=("NaN", "-9999"),
            time_columns=("Timestamp",),
            time_formats=("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p"),
            zone="UTC",
            aspect="logger",
            new_columns=_EXTEND,
        ),
        FileType(
            name="ammonit-text",
            description="Ammonit-like text: lines with # or names and values, then a table with semicolons",
            delimiter=";",
            na_values=("NaN", "nan", "-", "n/a"),
            time_columns=("Date/Time",),
            time_formats=(
                "%Y-%m-%d %H:%M:%S",
                "%Y-%m-%d %H:%M",
                "%d.%m.%Y %H:%M:%S",
                "%d.%m.%Y %H:%M",
                "iso8601",
            ),
            zone="UTC",
            aspect="logger",
            new_columns=_EXTEND,
        ),
        FileType(
            name="kintech-text",
            description="Kintech-like text: date and time in two columns, blanks or tabs between cells",
            delimiter_pattern=r"[ \t]+",
            na_values=("NaN", "-9999", "-999"),
            time_columns=("Date", "Time"),
            time_formats=("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"),
            zone="UTC",
            aspect="logger",
            new_columns=_EXTEND,
        ),
        FileType(
            name="movebank-csv",
            description="Movebank CSV: every individual is an asset, so none overwrites another (IX-08)",
            multiline=True,
            time_columns=("timestamp",),
            time_formats=("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"),
            zone="UTC",
            asset_column="individual-local-identifier",
            aspect="tracking",
            new_columns=_EXTEND,
        ),
        FileType(
            name="annotated-csv",
            description="What a Flux query answers; measurements are aspects",
            format=FileFormat.ANNOTATED_CSV,
            aspect_column="measurement",
            new_columns=_EXTEND,
        ),
        FileType(
            name="line-protocol",
            description="Line protocol with times in nanoseconds; measurements are aspects",
            format=FileFormat.LINE_PROTOCOL,
            aspect_column="measurement",
            new_columns=_EXTEND,
        ),
        FileType(
            name="tinyflux",
            description="A TinyFlux store, with long or compact prefixes; measurements are aspects",
            format=FileFormat.TINYFLUX,
            aspect_column="measurement",
            new_columns=_EXTEND,
        ),
        FileType(
            name="parquet",
            description="Parquet with a column _time",
            format=FileFormat.PARQUET,
            time_columns=(TIME_MEMBER,),
            zone="UTC",
            aspect="imported",
            new_columns=_EXTEND,
        ),
        FileType(
            name="arrow",
            description="An Arrow stream or file with a column _time",
            format=FileFormat.ARROW,
            time_columns=(TIME_MEMBER,),
            zone="UTC",
            aspect="imported",
            new_columns=_EXTEND,
        ),
        FileType(
            name="json-records",
            description="Readings one by one: timestamp, sensor_name, reading (SM-06)",
            format=FileFormat.JSON,
            time_columns=("timestamp",),
            zone="UTC",
            narrow=Narrow(sensor="sensor_name", value="reading"),
            aspect="logger",
            new_columns=_EXTEND,
        ),
        FileType(
            name="bulk-json",
            description="Files of the dialect's bulk import: records of one aspect (wire 3.1)",
            format=FileFormat.BULK_JSON,
            time_columns=(TIME_MEMBER,),
            rules=(Rule(pattern=".+"),),
        ),
    )
}
"""By name."""
