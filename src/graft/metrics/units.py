"""Units, number words and months, each under one name, for `normalise`.

No conversion: 90 seconds and 1.5 minutes stay different answers.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["EXACT_UNITS", "MAGNITUDES", "MONTHS", "NUMBER_WORDS", "SUFFIX_UNITS", "UNITS"]


def _names(table: Mapping[str, str]) -> dict[str, str]:
    return {name: unit for unit, names in table.items() for name in names.split()}


# spelling in lower case -> one name
UNITS: Mapping[str, str] = _names(
    {
        "ms": "ms msec millisecond milliseconds",
        "s": "s sec secs second seconds",
        "min": "min mins minute minutes",
        "h": "h hr hrs hour hours",
        "day": "day days",
        "week": "wk wks week weeks",
        "month": "month months",
        "year": "yr yrs year years",
        "mm": "mm millimetre millimetres millimeter millimeters",
        "cm": "cm centimetre centimetres centimeter centimeters",
        "m": "m metre metres meter meters",
        "km": "km kilometre kilometres kilometer kilometers",
        "inch": "inch inches",
        "ft": "ft foot feet",
        "mile": "mi mile miles",
        "m2": "m2 sqm",
        "m3": "m3 cbm",
        "mg": "mg milligram milligrams",
        "g": "g gram grams gramme grammes",
        "kg": "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes",
        "tonne": "t tonne tonnes",
        "lb": "lb lbs",
        "ml": "ml millilitre millilitres milliliter milliliters",
        "l": "l litre litres liter liters",
        "bar": "bar bars",
        "pa": "pa pascal pascals",
        "kpa": "kpa kilopascal kilopascals",
        "mpa": "mpa",
        "newton": "n newton newtons",
        "nm": "nm",
        "hz": "hz hertz",
        "khz": "khz kilohertz",
        "megahertz": "mhz megahertz",
        "ghz": "ghz gigahertz",
        "w": "w watt watts",
        "kw": "kw kilowatt kilowatts",
        "kwh": "kwh",
        "megawatt": "megawatt megawatts",
        "milliwatt": "mw milliwatt milliwatts",
        "v": "v volt volts",
        "kv": "kv kilovolt kilovolts",
        "ampere": "amp amps ampere amperes",
        "ma": "ma milliamp milliamps",
        "rpm": "rpm",
        "db": "db decibel decibels",
        "hb": "hb",
        "psi": "psi",
        "kelvin": "kelvin",
        "kb": "kb kilobyte kilobytes",
        "mb": "mb megabyte megabytes",
        "gb": "gb gigabyte gigabytes",
        "tb": "tb terabyte terabytes",
        "%": "% percent pct",
        "°": "° degree degrees",
        "°c": "°c celsius centigrade",
        "°f": "°f fahrenheit",
        "£": "£ pound pounds gbp",
        "$": "$ dollar dollars usd",
        "€": "€ euro euros eur",
        "¥": "¥ yen jpy",
        "pence": "p penny pence",
    }
)

# where the case of a letter is a factor of a thousand or another unit
EXACT_UNITS: Mapping[str, str] = {
    "A": "ampere",
    "C": "°c",
    "F": "°f",
    "K": "kelvin",
    "MW": "megawatt",
    "mW": "milliwatt",
    "MPa": "megapascal",
    "mPa": "millipascal",
    "mHz": "millihertz",
    "MV": "megavolt",
    "mV": "millivolt",
    "MJ": "megajoule",
    "mJ": "millijoule",
    "Mb": "megabit",
    "Gb": "gigabit",
}

# units only where they touch the number: apart from it they are other words
SUFFIX_UNITS: Mapping[str, str] = {"in": "inch", "k": "thousand", "bn": "billion"}

MAGNITUDES: Mapping[str, int] = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}

_UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"

NUMBER_WORDS: Mapping[str, int] = {
    **{word: value for value, word in enumerate(_UNDER_TWENTY.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), 2)},
}

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
