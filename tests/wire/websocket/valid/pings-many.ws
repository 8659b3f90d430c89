why = "RFC 6455 section 5.5.2: every Ping is an event; which to answer is decided above."
events = [
    ['ping', '0'],
    ['ping', '1'],
    ['ping', '2'],
    ['ping', '3'],
    ['ping', '4'],
    ['ping', '5'],
    ['ping', '6'],
    ['ping', '7'],
    ['ping', '8'],
    ['ping', '9'],
    ['lost'],
]
---
\x89\x81\0\0\0\00
\x89\x81\0\0\0\01
\x89\x81\0\0\0\02
\x89\x81\0\0\0\03
\x89\x81\0\0\0\04
\x89\x81\0\0\0\05
\x89\x81\0\0\0\06
\x89\x81\0\0\0\07
\x89\x81\0\0\0\08
\x89\x81\0\0\0\09
