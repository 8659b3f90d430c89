"""Field blocks: the examples of RFC 7541 appendix C, and strategies for lists of fields."""

from dataclasses import dataclass

from hypothesis import strategies as st

from bascule.protocols.http2.hpack import Decoder, Encoder

Field = tuple[bytes, bytes]


@dataclass(frozen=True)
class Example:
    """Blocks of one connection. Each has its bytes in hexadecimal, its fields, and the dynamic
    table after it, the newest entry first."""

    section: str
    table_size: int
    blocks: list[tuple[str, list[Field], list[Field]]]


def fields_of(text: str) -> list[Field]:
    """One field in a line, its name and value divided by a space."""
    pairs = [line.strip().rpartition(" ") for line in text.strip().splitlines()]
    return [(name.encode(), value.replace("_", " ").encode()) for name, _, value in pairs]


REQUESTS = [
    fields_of(":method GET\n:scheme http\n:path /\n:authority www.example.com"),
    fields_of(
        ":method GET\n:scheme http\n:path /\n:authority www.example.com\ncache-control no-cache"
    ),
    fields_of(
        ":method GET\n:scheme https\n:path /index.html\n:authority www.example.com\n"
        "custom-key custom-value"
    ),
]
AUTHORITY, NO_CACHE, CUSTOM = REQUESTS[0][3], REQUESTS[1][4], REQUESTS[2][4]
REQUEST_TABLES = [[AUTHORITY], [NO_CACHE, AUTHORITY], [CUSTOM, NO_CACHE, AUTHORITY]]

DATE_21, DATE_22 = fields_of(
    "date Mon,_21_Oct_2013_20:13:21_GMT\ndate Mon,_21_Oct_2013_20:13:22_GMT"
)
STATUS_302, STATUS_307, PRIVATE, LOCATION, GZIP = fields_of(
    ":status 302\n:status 307\ncache-control private\nlocation https://www.example.com\n"
    "content-encoding gzip"
)
COOKIE = (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")
RESPONSES = [
    [STATUS_302, PRIVATE, DATE_21, LOCATION],
    [STATUS_307, PRIVATE, DATE_21, LOCATION],
    [(b":status", b"200"), PRIVATE, DATE_22, LOCATION, GZIP, COOKIE],
]
RESPONSE_TABLES = [
    [LOCATION, DATE_21, PRIVATE, STATUS_302],
    [STATUS_307, LOCATION, DATE_21, PRIVATE],
    [COOKIE, GZIP, DATE_22],
]

EXAMPLES_OF_THE_RFC = [
    Example(
        "C.2.1",
        4096,
        [
            (
                "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
                [(b"custom-key", b"custom-header")],
                [(b"custom-key", b"custom-header")],
            )
        ],
    ),
    Example("C.2.2", 4096, [("040c2f73616d706c652f70617468", [(b":path", b"/sample/path")], [])]),
    Example(
        "C.2.3", 4096, [("100870617373776f726406736563726574", [(b"password", b"secret")], [])]
    ),
    Example("C.2.4", 4096, [("82", [(b":method", b"GET")], [])]),
    Example(
        "C.3",
        4096,
        [
            *zip(
                [
                    "828684410f7777772e6578616d706c652e636f6d",
                    "828684be58086e6f2d6361636865",
                    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
                ],
                REQUESTS,
                REQUEST_TABLES,
                strict=True,
            )
        ],
    ),
    Example(
        "C.4",
        4096,
        [
            *zip(
                [
                    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                    "828684be5886a8eb10649cbf",
                    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
                ],
                REQUESTS,
                REQUEST_TABLES,
                strict=True,
            )
        ],
    ),
    Example(
        "C.5",
        256,
        [
            *zip(
                [
                    "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a3133"
                    "3a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
                    "4803333037c1c0bf",
                    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a"
                    "69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d"
                    "61782d6167653d333630303b2076657273696f6e3d31",
                ],
                RESPONSES,
                RESPONSE_TABLES,
                strict=True,
            )
        ],
    ),
    Example(
        "C.6",
        256,
        [
            *zip(
                [
                    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d"
                    "29ad171863c78f0b97c8e9ae82ae43d3",
                    "4883640effc1c0bf",
                    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821d"
                    "d7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b106"
                    "3d5007",
                ],
                RESPONSES,
                RESPONSE_TABLES,
                strict=True,
            )
        ],
    ),
]
BLOCKS_OF_THE_RFC = [
    bytes.fromhex(data) for example in EXAMPLES_OF_THE_RFC for data, _, _ in example.blocks
]


def entries(one: Decoder | Encoder) -> list[Field]:
    """The dynamic table, the newest entry first."""
    return [field for index in range(one.table.count) if (field := one.table.entry(index))]


def list_size(fields: list[Field]) -> int:
    """RFC 9113 section 6.5.2; the same measure as that of the table."""
    return sum(len(name) + len(value) + 32 for name, value in fields)


# Few, so that names and fields come again; some are in the static table, some have rules.
names = st.one_of(
    st.sampled_from(
        [
            b":status",
            b":path",
            b"accept-encoding",
            b"authorization",
            b"content-length",
            b"cookie",
            b"date",
            b"server",
            b"set-cookie",
            b"x-a",
            b"x-b",
        ]
    ),
    st.binary(max_size=12),
)
values = st.one_of(
    st.sampled_from([b"", b"200", b"/", b"gzip, deflate", b"a", b"text/html; charset=utf-8"]),
    st.binary(max_size=40),
    st.text("abcdefghij0123456789-/;=", max_size=60).map(str.encode),
    st.integers(0, 2500).map(lambda size: b"v" * size),
)
lists = st.lists(st.tuples(names, values), max_size=8)
table_sizes = st.one_of(st.sampled_from([0, 31, 64, 100, 4096]), st.integers(0, 5000))
