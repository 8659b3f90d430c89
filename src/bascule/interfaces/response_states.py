"""The states of a response, and the steps from one to the next: one table for all calls.

    state            meaning
    IDLE             nothing of the response is known
    HEAD_KEPT        the application has given the head, which leaves with the first bytes of the
                     body
    SENDING          the head has left; the body is incomplete
    BEFORE_TRAILERS  the body is complete; trailers were announced
    SWITCHED         the WebSocket handshake was accepted: there is no response
    COMPLETE         the response is complete, or the WebSocket closed
    DROPPING         the response is complete for the client (HEAD, 204, 304), but the application
                     still sends a body, which is dropped
    BROKEN           the response was aborted, and the client sees that it is incomplete

    step             taken when
    HEAD             the application gives the head: http.response.start, start_response
    HINT             an interim response is sent (103)
    BODY             bytes of the body are sent, and more follow
    BODY_END         the body ends, and trailers follow
    END              the body ends, and the response with it
    TRAILERS         the trailers are sent
    ANSWER           the server answers in place of the application
    DROP             the response has no body on the wire, and is complete with its head
    DROP_END         the response ends, and no byte of that end is for a client
    SWITCH           the WebSocket handshake is accepted
    CLOSE            the WebSocket is closed by the application
    ABORT            the response will not be completed

The carrier may be used in the states before SWITCHED: afterwards it may carry another exchange.
`RespondingExchange` is the place that takes the steps of an exchange.

Rejected: an enum. Its members are objects; compiled code compares the numbers as C integers.
"""

IDLE = 0
HEAD_KEPT = 1
SENDING = 2
BEFORE_TRAILERS = 3
SWITCHED = 4
COMPLETE = 5
DROPPING = 6
BROKEN = 7

HEAD = 0
HINT = 1
BODY = 2
BODY_END = 3
END = 4
TRAILERS = 5
ANSWER = 6
DROP = 7
DROP_END = 8
SWITCH = 9
CLOSE = 10
ABORT = 11

STEPS = 12
# In the place of a next state: the step is not allowed. A C char can hold it.
FORBIDDEN = 127

# For each state, the steps that are allowed and the state after each.
TRANSITIONS: dict[int, dict[int, int]] = {
    IDLE: {
        HEAD: HEAD_KEPT,
        HINT: IDLE,
        ANSWER: COMPLETE,
        SWITCH: SWITCHED,
        DROP_END: COMPLETE,
        ABORT: BROKEN,
    },
    HEAD_KEPT: {
        HINT: HEAD_KEPT,
        BODY: SENDING,
        BODY_END: BEFORE_TRAILERS,
        END: COMPLETE,
        ANSWER: COMPLETE,
        DROP_END: COMPLETE,
        ABORT: BROKEN,
    },
    SENDING: {
        BODY: SENDING,
        BODY_END: BEFORE_TRAILERS,
        END: COMPLETE,
        DROP: DROPPING,
        DROP_END: COMPLETE,
        ABORT: BROKEN,
    },
    BEFORE_TRAILERS: {
        TRAILERS: COMPLETE,
        DROP: DROPPING,
        DROP_END: COMPLETE,
        ABORT: BROKEN,
    },
    SWITCHED: {CLOSE: COMPLETE},
    COMPLETE: {},
    DROPPING: {DROP_END: COMPLETE},
    BROKEN: {},
}

# The same by `state * STEPS + step`, which compiled code reads without a lookup.
NEXT_STATES = bytes(
    TRANSITIONS[state].get(step, FORBIDDEN)
    for state in range(len(TRANSITIONS))
    for step in range(STEPS)
)

# For errors.
STATE_NAMES = {
    IDLE: "before the head of the response",
    HEAD_KEPT: "after the head of the response",
    SENDING: "in the middle of the response",
    BEFORE_TRAILERS: "before the trailers of the response",
    SWITCHED: "in a WebSocket",
    COMPLETE: "after the response",
    DROPPING: "after a response without a body",
    BROKEN: "after the response was aborted",
}
STEP_NAMES = {
    HEAD: "a head",
    HINT: "an interim response",
    BODY: "a body",
    BODY_END: "the end of a body",
    END: "the end of a response",
    TRAILERS: "a trailer section",
    ANSWER: "a response of the server",
    DROP: "dropping the body",
    DROP_END: "the end of a dropped body",
    SWITCH: "accepting the WebSocket",
    CLOSE: "closing the WebSocket",
    ABORT: "aborting the response",
}
