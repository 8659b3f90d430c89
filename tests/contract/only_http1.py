"""The contract tests that do not run over HTTP/2, and the reasons.

Everything else runs over both. A name is a test's, `module: name` without `test_contract_` and
`test_`, or a whole module's.
"""

REASONS: dict[str, tuple[str, ...]] = {
    "it is not about a protocol": (
        "adapters",
        "asgi_lifespan",
        "queue_time",
        "dispatch: requests_of_all_applications_count_for_the_limit",
        "request_timeout: a_thread_is_interrupted_and_goes_on_with_the_next_request",
        "request_timeout: what_does_not_come_back_is_stuck_until_it_does",
        "request_timeout: a_task_is_cancelled_and_may_clean_up",
        "request_timeout: on_the_loop_requests_behind_a_slow_reader_are_given_up",
        "request_timeout: an_application_that_swallows_it_is_told_again",
        "request_timeout: a_result_is_interrupted_and_closed",
        "request_timeout: both_sides_of_a_project",
        "wsgi_interrupt_race",
    ),
    "it writes bytes of HTTP/1.1, or of 1.0": (
        "asgi_extensions: trailers_to_an_http_1_0_client",
        "asgi_extensions: early_hint_to_an_http_1_0_client_is_left_out",
        "asgi_scope: http_1_0",
        "asgi_tls: a_slow_client_receives_the_end_of_the_last_response",
        "asgi_scope: absolute_target",
        "asgi_scope: unix_socket",
        "proxies: http_1_0_without_a_host",
        "proxies: a_unix_socket_is_trusted_where_it_is_named",
        "proxies: a_unix_socket_is_not_trusted_by_an_address",
        "proxies: ipv4_on_a_socket_of_both_families",
        "asgi_scope: an_empty_host",
        "wsgi_environ: an_empty_host",
        "wsgi_environ: http_1_0_without_host",
        "wsgi_queue: who_has_only_closed_its_side_is_served",
        "wsgi_response: http_1_0",
        "wsgi_response: early_hints_to_an_http_1_0_client_are_left_out",
        "websocket_chaos",
        "wsgi_websocket_call: an_ordinary_answer_refuses",
        "wsgi_websocket_call: a_websocket_that_was_refused_cannot_be_used",
        "wsgi_websocket_call: half_an_answer_and_then_the_websocket_is_an_error",
        "wsgi_websocket_threads: requests_are_served_while_every_websocket_thread_is_taken",
        "wsgi_websocket_threads: 500_clients_that_drop_at_any_moment_leave_nothing",
        "wsgi_websocket_threads: as_many_at_once_as_there_are_threads",
    ),
    "the PROXY header comes before any protocol; test_proxy_header_before_http2 has it there": (
        "proxies: proxy_header",
        "proxies: proxy_header_byte_by_byte",
        "proxies: proxy_header_before_tls",
        "proxies: connection_of_the_proxys_own",
        "proxies: client_without_an_address",
        "proxies: tls_between_client_and_proxy",
        "proxies: the_address_in_the_header_is_whom_fields_are_believed_of",
        "proxies: wrong_header",
        "proxies: header_that_is_cut_off",
        "proxies: header_that_is_late",
        "proxies: check_whether_the_port_is_open",
        "proxies: peer_that_may_not_send_a_header",
        "proxies: without_the_setting_a_header_is_a_malformed_request",
        "proxies: proxy_header_on_a_unix_socket",
        "proxies: unix_socket_that_may_not_send_a_header",
        "proxies: stop_while_a_header_is_awaited",
    ),
    "these clients speak HTTP/1.1 alone": ("early_answers",),
    "the clients of these libraries know WebSockets over HTTP/1.1 alone": (
        "websocket_clients",
        "dispatch: websockets_beside_an_application_without",
        "dispatch: a_websocket_where_nothing_is_mounted",
        "hybrid: the_lifespan_is_that_of_the_websockets_and_its_state_is_for_all",
        "hybrid: without_an_application_for_websockets_they_are_those_of_wsgi",
        "proxies: websocket_scope",
        "proxies: websocket_handshake_of_an_untrusted_peer",
    ),
    "streams have nothing like pipelining": (
        "websocket_handshake: a_request_behind_a_refused_handshake_is_served_in_order",
        "asgi_tasks: context_does_not_leak_to_a_pipelined_request",
        "asgi_tasks: context_does_not_leak_after_a_large_response",
        "wsgi_inline: pipelined_requests_are_called_in_order",
    ),
    "the end of a body is a frame, so there is no guessing (RFC 9113 section 8.1)": (
        "asgi_continue: connection_does_not_guess_whether_the_body_comes_after_all",
    ),
    "TE with anything but trailers is malformed (RFC 9113 section 8.2.2)": (
        "asgi_extensions: trailers_do_not_go_to_who_asked_for_something_else",
    ),
    "h2 counts the body of a 304 against its Content-Length (but RFC 9113 section 8.1.1)": (
        "asgi_files: pathsend_with_a_status_without_body",
        "wsgi_files: status_without_body",
    ),
    "a client asks for no WebSocket where none are offered (RFC 8441 section 3)": (
        "hybrid: without_websockets_a_handshake_is_a_request_like_others",
        "websocket_scope: without_websockets_a_handshake_is_a_plain_request",
        "wsgi_websocket_threads: where_there_are_no_websockets_a_handshake_is_a_request",
    ),
}

ONLY_HTTP1 = {name: reason for reason, names in REASONS.items() for name in names}


def is_only_http1(module: str, test: str) -> bool:
    """Whether a test, by the names of its module and its function, is in the list."""
    short = module.removeprefix("test_contract_")
    return short in ONLY_HTTP1 or f"{short}: {test.removeprefix('test_')}" in ONLY_HTTP1
