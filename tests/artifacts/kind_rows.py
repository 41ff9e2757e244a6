"""What each kind takes and refuses, and spellings of which it takes many."""

from fractions import Fraction

from hypothesis import strategies as st

from artifacts.grammar.kinds_english import ENGLISH
from artifacts.values import Value

F = Fraction

TAKEN: dict[str, tuple[tuple[str, Value], ...]] = {
    "integer": (("0", 0), ("-7", -7), ("007", 7), ("9" * 400, int("9" * 400))),
    "decimal": (("5", 5), ("-0.50", F(-1, 2)), ("2.0", 2), ("0.1", F(1, 10))),
    "percent": (("15%", F(3, 20)), ("-12.5 %", F(-1, 8)), ("100%", 1)),
    "word": (("Naïve", "Naïve"), ("don't", "don't"), ("well-to-do", "well-to-do"), ("灯", "灯")),
    "identifier": (("web-14", "web-14"), ("a/b.c:d@e", "a/b.c:d@e"), ("$HOME", "$HOME")),
    "quoted": (('"a  b"', "a  b"), ("''", ""), ("`x`", "x"), ("“a'b”", "a'b"), ('"and"', "and")),
    "phrase": (("Living  Room", "Living  Room"), ("rock-n'roll", "rock-n'roll"), ("r2d2", "r2d2")),
    "fraction": (("3/4", F(3, 4)), ("1 1/2", F(3, 2)), ("-2 1/3", F(-7, 3)), ("4/2", 2),
                 ("½", F(1, 2)), ("1½", F(3, 2)), ("1 ⅔", F(5, 3)), ("0/5", 0)),
    "money": (("$20", 20), ("20 USD", 20), ("€12.50", F(25, 2)), ("12.50€", F(25, 2)),
              ("eur 5", 5), ("-$1,234.50", F(-2469, 2)), ("$-3", -3), ("5 dollars", 5)),
    "ordinal": (("3rd", 3), ("11th", 11), ("112TH", 112), ("third", 3), ("Twenty-First", 21),
                ("one hundred and third", 103), ("two thousandth", 2000), ("0th", 0)),
    "numeral": (("zero", 0), ("twenty-one", 21), ("Twenty one", 21), ("two hundred and five", 205),
                ("two hundred five", 205), ("a hundred", 100), ("a thousand and one", 1001),
                ("twelve hundred", 1200), ("minus seven", -7), ("one hundred thousand", 10**5),
                ("one million two hundred and five thousand and six", 1_205_006)),
    "expression": (("3*(4+2)-1", 17), ("3 × 4", 12), ("6/2*3", 9), ("1/3 + 1/6", F(1, 2)),
                   ("-(2-5)", 3), ("2^10", 1024), ("(1/2)^2", F(1, 4)), ("3 - -2", 5), ("7", 7),
                   ("2 x 3", 6), ("8 ÷ 4 − 1", 1), ("0.1+0.2", F(3, 10)), ("(-2)^2", 4),
                   ("2024 - 3 - 4", 2017), ("0*5", 0), ("1.05+0", F(21, 20))),
    "date": (("2024-03-03", "2024-03-03"), ("2024/3/4", "2024-03-04"),
             ("3 March 2024", "2024-03-03"), ("March 3, 2024", "2024-03-03"),
             ("Mar 3rd 2024", "2024-03-03"), ("22nd sept 2024", "2024-09-22"),
             ("25/12/2024", "2024-12-25"), ("12/25/2024", "2024-12-25"),
             ("3/3/2024", "2024-03-03"), ("29.2.2024", "2024-02-29")),
    "time": (("14:30", "14:30:00"), ("14:30:05", "14:30:05"), ("2pm", "14:00:00"),
             ("2:30 P.M.", "14:30:00"), ("12 am", "00:00:00"), ("12:15 pm", "12:15:00"),
             ("Noon", "12:00:00"), ("midnight", "00:00:00"), ("7:05", "07:05:00")),
    "duration": (("90 seconds", 90), ("1h 30m", 5400), ("1h30m", 5400), ("1.5 hours", 5400),
                 ("2 hours and 5 minutes", 7500), ("2 hours, 5 minutes, and 1 second", 7501),
                 ("an hour", 3600), ("250 ms", F(1, 4)), ("1 Week", 604_800)),
    "weekday": (("Monday", "monday"), ("TUES", "tuesday"), ("sun", "sunday")),
    "month": (("March", "march"), ("sept", "september"), ("may", "may")),
    "unit": (("km", "km"), ("KM", "km"), ("Kilometres", "km"), ("miles  per hour", "mph"),
             ("km/h", "km/h"), ("°C", "°C"), ("m²", "m²"), ("square feet", "ft²"), ("MW", "MW"),
             ("mW", "mW"), ("MB", "MB"), ("Mb", "Mbit"), ("l", "L")),
    "path": (("/etc/hosts", "/etc/hosts"), ("~/a.txt", "~/a.txt"), ("src/main.py", "src/main.py"),
             ("C:\\temp", "C:\\temp"), ("/", "/"), ("../x", "../x")),
    "url": (("https://a.example/b?c=d#e", "https://a.example/b?c=d#e"),
            ("ftp://u:p@host:21/x", "ftp://u:p@host:21/x"), ("HTTP://[::1]/", "HTTP://[::1]/"),
            ("http://a/(b)%20c", "http://a/(b)%20c")),
    "email": (("ann.lee+x@mail.example", "ann.lee+x@mail.example"), ("A@b.co", "A@b.co")),
    "integers": (("3, 4 and 5", (3, 4, 5)), ("3,4,5", (3, 4, 5)), ("7", (7,)),
                 ("1 AND -2", (1, -2)), ("1, 2, and 3", (1, 2, 3)), ("1, 234", (1, 234))),
    "decimals": (("1.5, 2", (F(3, 2), 2)),),
    "percents": (("5% and 10 %", (F(1, 20), F(1, 10))),),
    "fractions": (("1/2, 1 1/2 and ¼", (F(1, 2), F(3, 2), F(1, 4))),),
    "amounts": (("$1,234 and 5 EUR", (1234, 5)), ("$1, $2", (1, 2))),
    "ordinals": (("1st, second and 3rd", (1, 2, 3)), ("one hundred and third", (103,))),
    "numerals": (("one, two and three", (1, 2, 3)), ("minus one", (-1,))),
    "expressions": (("1+1, 2*3 and (4)", (2, 6, 4)),),
    "dates": (("March 3, 2024 and 2024-01-01", ("2024-03-03", "2024-01-01")),),
    "times": (("9:00, noon and 2 pm", ("09:00:00", "12:00:00", "14:00:00")),),
    "durations": (("5 minutes and 2 hours", (300, 7200)), ("1h, 2h", (3600, 7200))),
    "weekdays": (("mon, wed and Friday", ("monday", "wednesday", "friday")),),
    "months": (("May and june", ("may", "june")),),
    "units": (("km, MW and degrees celsius", ("km", "MW", "°C")),),
    "words": (("Ann, Bob and don't", ("Ann", "Bob", "don't")), ("Ann", ("Ann",))),
    "identifiers": (("web-1,web-2", ("web-1", "web-2")),),
    "paths": (("/a, b/c and ~/d", ("/a", "b/c", "~/d")),),
    "urls": (("http://a/b and http://c/d", ("http://a/b", "http://c/d")),),
    "emails": (("a@b.co, c@d.co", ("a@b.co", "c@d.co")),),
    "quotations": (("\"a, b\" and 'c'", ("a, b", "c")), ("'x', 'y'", ("x", "y"))),
    "phrases": (("living room, Hall and r2 d2", ("living room", "Hall", "r2 d2")),),
}  # fmt: skip
REFUSED: dict[str, tuple[str, ...]] = {
    "integer": ("", "5.0", "--5", "5 0", "٣", "5a", "+5", "9" * 401, "1_0"),
    "decimal": ("", ".5", "5.", "1e3", "1,000", "٣.٤", "1.2.3", "- 5"),
    "percent": ("5", "%", "5%%", "5  . %", "x%"),
    "word": ("", "two words", "r2", "a--b", "-a", "a-", "5"),
    "identifier": ("", "a b", "--", "...", "a,b", "x" * 301),
    "quoted": ('"', "'a\"", '"a"b"', "a", "“a“”", '"\u0301a"'),
    "phrase": ("", "one and two", "AND", "a, b", "a b c d e f g", "a-", "x then"),
    "fraction": ("", "3", "1/0", "1 3/2", "1/2/3", "0.5", "3 / 4", "½½", "- ½", "٣/٤",
                 f"{'9' * 401}/2"),
    "money": ("20", "$", "$20 USD", "$1,23", "$1,2345", "-$-5", "20 bananas", "$1.2.3", "$ٓ5",
              "dollars 5", f"${'9' * 401}"),
    "ordinal": ("3", "3th", "21th", "11st", "3 rd", "twenty first and", "three", "a hundredth",
                "first second", "hundredth", "-3rd", f"{'9' * 400}1st"),
    "numeral": ("", "5", "five and twenty", "twenty and one", "twenty-ten", "hundred", "one one",
                "and five", "a", "twenty hundred", "one thousand thousand", "minus",
                "one thousand and five thousand", "ten hundred", "two-and-five", "a five"),
    "expression": ("", "1/0", "3/4/2024", "2024-03-03", "007", "1-01",
                   "1/(2-2)", "-2^2", "2^3^2", "2(3)", "(2", "2)", "3 4", "2+", "--2",
                   "9^9^9", "9^9999", "2^-1", "4^(1/2)", "()", "1.2.3", ".5", "a+b", "1,000+1",
                   "(" * 17 + "1" + ")" * 17, "+".join(["1"] * 102), f"{'9' * 400}*10"),
    "date": ("3/4/2024", "2024-02-30", "2023-02-29", "31 April 2024", "March 3th, 2024", "3/4/24",
             "13/13/2024", "2024-3/4", "0000-01-01", "March 2024", "3 March", "2024", "3 3 2024"),
    "time": ("14", "24:00", "12:60", "13 pm", "0:30 am", "2:5", "9:30:60", "9:30 xm", "noonish"),
    "duration": ("", "90", "5 m 2 h", "1h 1h", "-5 minutes", "5 months", "a", "an5h", "1hh",
                 "5 minutes and", "1h30", f"{'9' * 399} weeks", "1,5 hours"),
    "weekday": ("", "m", "mondays", "some day", "1"),
    "month": ("", "marc", "13", "mon"),
    "unit": ("", "mb", "M", "k", "mw", "parsec", "feet square", "meters per"),
    "path": ("", "abc", "a b/c", "http://a/b", "a/b,c", "/" + "x" * 1000),
    "url": ("", "a.example", "http://", "http:/a", "http://a b", "http://a/b.", "http://a/(b",
            "http://a:99999/", "http://-a/", "http://a/%zz", "http://ä.example/", "1://a"),
    "email": ("", "a@b", "a@@b.co", ".a@b.co", "a..b@c.co", "a@-b.co", "a b@c.co", "ä@b.co",
              "x" * 65 + "@b.co", "a@b.co."),
    "integers": ("", "1,234", "12,345,678", "3 4", "3,", "and 3", "1 or 2", "3,,4",
                 ", ".join(["1"] * 65)),
    "decimals": ("1,234.5", "1.5 2"),
    "percents": ("5%, 6", "5"),
    "fractions": ("1/2, 3", "1/2 1/3"),
    "amounts": ("$1, 2", "5"),
    "ordinals": ("first, two", ""),
    "numerals": ("two hundred and five", "one hundred and one and two", "one, 2"),
    "expressions": ("1,234+1", "1/0, 2"),
    "dates": ("3/4/2024, 2024-01-01", ""),
    "times": ("9, 10", ""),
    "durations": ("2 hours and 5 minutes", "1 hour, 5 minutes", "5"),
    "weekdays": ("mon, x", "mon tue"),
    "months": ("May, Monday", ""),
    "units": ("km, mb", ""),
    "words": ("a b", "a, r2", "5", "a,,b"),
    "identifiers": ("a b", "a, --", ""),
    "paths": ("/a b", "a, b", ""),
    "urls": ("http://a/b,http://c/d", ""),
    "emails": ("a@b.co c@d.co", "a@b.co, c"),
    "quotations": ("'a', b", "'a' 'b'"),
    "phrases": ("a or b", "a, b, then"),
}  # fmt: skip

NUMBER = st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", fullmatch=True)
SMALL = st.from_regex(r"[0-9]{1,3}", fullmatch=True)


def of(*parts: str | st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts of these parts, one after the other."""
    drawn = (st.just(part) if isinstance(part, str) else part for part in parts)
    return st.tuples(*drawn).map("".join)


def any_of(*texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(texts)


_MONTHS = any_of(*(name for same in ENGLISH.months for name in same))
_NUMBER_WORDS = any_of(
    *ENGLISH.small, *ENGLISH.tens, "hundred", "hundred", "thousand", "million", "and", "a", "minus"
)
_ORDINAL_ENDS = any_of(*ENGLISH.ordinals, "three")
_SPOKEN = st.lists(st.tuples(_NUMBER_WORDS, any_of(" ", "-", " ")).map("".join), max_size=4)
_CURRENCY = any_of("$", "€", "USD", "eur ", "£ ", " yen", "")
_TIME_UNITS = any_of(*(name for unit in ENGLISH.durations for name in unit.names))
_UNITS = [text for names in ENGLISH.units.values() for same in names for text in same]
_JOINT = any_of(", ", ",", " and ", ", and ", " or ")

SPELLINGS: dict[str, st.SearchStrategy[str]] = {
    "integer": st.from_regex(r"-?[0-9]{1,40}", fullmatch=True),
    "decimal": NUMBER,
    "percent": of(NUMBER, any_of("%", " %")),
    "word": st.text("aZé灯'-", max_size=8),
    "identifier": st.text("aZé5_-./:*\\", max_size=8),
    "quoted": of(any_of(*"\"'`“"), st.text("ab \"'`“”", max_size=6), any_of(*"\"'`”")),
    "phrase": st.text("aB5 '-&", max_size=12),
    "fraction": of(any_of("", "-"), any_of("", "1 ", "20 ", "7"), any_of("½", "1/2", "9/4", "5/0")),
    "money": of(_CURRENCY, NUMBER | any_of("1,200", "1,20", "-5"), _CURRENCY),
    "ordinal": of(SMALL, any_of("st", "nd", "rd", "th")) | of(_SPOKEN.map("".join), _ORDINAL_ENDS),
    "numeral": of(_SPOKEN.map("".join), _NUMBER_WORDS),
    "expression": st.lists(any_of(*"123+-*/^() .x"), max_size=9).map("".join)
    | of(NUMBER, any_of(*"+-*/"), NUMBER),
    "date": of(any_of("2024-02-", "2023/2/", "1/2/", "2000-12-"), any_of("01", "29", "31", "2024"))
    | of(SMALL, any_of("/", "-"), SMALL, "/1999")
    | of(SMALL, any_of("", "st", "th"), " ", _MONTHS, any_of(" ", ", "), any_of("1900", "2024"))
    | of(_MONTHS, " ", SMALL, any_of("", "nd", "th"), any_of(" ", ", "), any_of("1900", "99")),
    "time": of(SMALL, any_of("", ":05", ":61", ":59:59"), any_of("", "am", " pm", " p.m.", "a.m."))
    | any_of("noon", "midnight"),
    "duration": st.lists(
        of(any_of("1", "2.50", "an ", "0"), any_of("", " "), _TIME_UNITS, any_of("", " ", " and ")),
        min_size=1,
        max_size=3,
    ).map(lambda parts: "".join(parts).removesuffix(" and ").strip()),
    "weekday": any_of(*(name for same in ENGLISH.weekdays for name in same), "day"),
    "month": _MONTHS | any_of("mon"),
    "unit": any_of(*_UNITS) | any_of(*_UNITS).map(str.upper) | any_of("mb", "Gb"),
    "path": st.text("aé5_-./:~\\ ", max_size=10),
    "url": of(any_of("http://", "https://", "x:/"), st.text("aé5-./:?#@%()[]", max_size=10)),
    "email": of(any_of("a", "x.y+5", "a..b"), "@", any_of("b5", "b-c", "-b"), any_of(".co", ".")),
}
"""Of every kind for one value; a list is several of them."""


def lists(spellings: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Spellings with commas and `and` between them."""
    more = st.lists(st.tuples(_JOINT, spellings).map("".join), max_size=3).map("".join)
    return of(spellings, more)
