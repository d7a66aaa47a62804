"""Attacks from a hostile API server or gateway, from a hostile environment, and through the proxy."""

from tests.security.attacks import CHART, FILTER, LEFT, NETWORK_POLICY, PROGRAM, TLS, Row

UNTRUSTED = "security/test_untrusted.py::test_"
FAILURES = "api/test_registrar_failures.py::test_"
READS = "api/test_janitor_reads.py::test_"
GUARD = "api/test_janitor_guard.py::test_"
LARGE = "api/test_large_objects.py::test_"
DEADLINE = "unit/test_deadline.py::test_"
PROBES = "unit/test_probes.py::test_"
OWN_TOKEN = "security/test_own_token.py::test_"
CREDENTIALS = "unit/test_credentials.py::test_"
PROXY = "manifests/test_tinyproxy.py::test_"
E2E = "e2e/scenarios/test_"

SERVER = (
    Row("control, invisible or line-breaking characters, or a megabyte, in names, labels and messages", PROGRAM, None, (
        UNTRUSTED + "names_and_labels_of_services_are_escaped_and_cut",
        UNTRUSTED + "messages_of_the_api_server_are_escaped_and_cut",
        UNTRUSTED + "the_owner_of_a_foreign_service_is_escaped_and_cut",
        UNTRUSTED + "the_yaml_of_a_dry_run_is_escaped_and_cut",
        "unit/test_logs.py::test_a_line_break_in_a_message_forges_no_log_line",
        "unit/test_logs.py::test_invisible_characters_are_escaped")),
    Row("an answer that is no JSON, too deep, too large, ambiguous, of another kind or form", PROGRAM, None, (
        UNTRUSTED + "an_answer_that_is_not_valid_json_ends_both_programs",
        UNTRUSTED + "a_malformed_list_ends_the_run",
        UNTRUSTED + "a_malformed_object_ends_the_registration",
        READS + "nothing_is_deleted_if_a_list_is_of_another_kind",
        READS + "nothing_is_deleted_if_a_list_is_a_login_page")),
    Row("a list without an end, an answer that trickles or floods", PROGRAM, None, (
        UNTRUSTED + "an_endless_list_ends_the_run",
        DEADLINE + "a_trickled_answer_ends_with_the_timeout",
        DEADLINE + "a_flood_ends_with_the_timeout",
        DEADLINE + "an_endless_handshake_ends_with_the_timeout")),
    Row("a redirect", PROGRAM, None, (FAILURES + "a_redirect_is_not_followed",)),
    Row("a certificate of another CA", TLS, None, (FAILURES + "a_wrong_ca_ends_the_registrar_at_once",)),
    Row("a `managedFields` as large or deep as the API server stores it, in any object that is read", PROGRAM, None, (
        LARGE + "the_janitor_judges_objects_with_any_managed_fields",
        LARGE + "the_registrar_registers_over_any_managed_fields",
        LARGE + "memory_does_not_grow_with_the_size_of_objects")),
    Row("a list of nodes that is empty, or so short that most Services would go", PROGRAM, None, (
        GUARD + "a_run_that_sees_no_nodes_is_refused",
        GUARD + "deleting_all_services_of_a_small_cluster_is_refused")),
    Row("hundreds of made-up Services, so that the janitor refuses every run or deletes more", PROGRAM, None, (
        GUARD + "services_of_unknown_nodes_do_not_raise_the_limit",
        GUARD + "many_services_of_one_gone_node_are_deleted_at_once")),
    Row("a token or password sent back in an error message", PROGRAM, None, (
        "credentials/test_canaries.py::test_no_output_has_a_part_of_a_secret",)),
    Row("hundreds of idle connections to the port of probes and metrics, trickled requests, bad headers",
        PROGRAM, None, (
        PROBES + "five_hundred_idle_connections_stop_no_probe",
        PROBES + "a_client_that_trickles_its_request_is_cut_off",
        PROBES + "a_client_that_never_reads_is_cut_off",
        PROBES + "a_bad_accept_header_gets_the_metrics_and_is_not_logged")),
)  # fmt: skip

ENVIRONMENT = (
    Row("`NODE_NAME`, `POD_NAME` or `POD_UID` of another node or pod than the token's", PROGRAM, None, (
        OWN_TOKEN + "a_setting_that_contradicts_the_token_is_refused_before_any_request",)),
    Row("a proxy for the API server that ends TLS", TLS, None, (
        UNTRUSTED + "a_proxy_that_ends_tls_gets_no_token",)),
    Row("a proxy of another kind than HTTP", PROGRAM, None, ("unit/test_proxies.py::test_other_proxies_are_refused",)),
    Row("a proxy that answers CONNECT without an end", PROGRAM, None, (
        DEADLINE + "an_endless_answer_of_a_proxy_ends_with_the_timeout",)),
    Row("`server: http://` in a kubeconfig: one warning, and no credentials are sent", LEFT, None, (
        CREDENTIALS + "no_credentials_are_read_for_an_http_server",
        CREDENTIALS + "what_is_neither_encrypted_nor_verified_is_one_warning")),
    Row("`insecure-skip-tls-verify` in a kubeconfig: one warning, and the token is sent", LEFT, None, (
        CREDENTIALS + "what_is_neither_encrypted_nor_verified_is_one_warning",)),
    Row("a kubeconfig that another client reads differently", PROGRAM, None, (
        "credentials/test_as_kubectl.py::test_both_programs_ask_whom_kubectl_asks",
        "credentials/test_as_kubectl.py::test_what_is_not_supported_is_refused_before_any_request")),
    Row("a credentials plugin that hangs, or prints secrets", PROGRAM, None, (
        "credentials/test_plugin.py::test_a_plugin_that_outlasts_the_timeout_is_ended_with_its_children",
        "credentials/test_plugin.py::test_the_reason_of_a_failing_plugin_has_no_secret")),
    Row("a Pushgateway that answers without an end", PROGRAM, None, (
        DEADLINE + "an_endless_answer_of_a_pushgateway_is_one_warning",)),
)  # fmt: skip

CLIENTS = (
    Row("loopback or a cloud's credentials by address, in any spelling, by GET, CONNECT or a `Host` header",
        FILTER, None, (
        PROXY + "an_address_of_the_pod_or_of_a_clouds_credentials_is_refused_in_any_spelling",
        PROXY + "a_refused_address_is_refused_in_a_host_header_too",
        PROXY + "no_spelling_of_a_refused_address_passes_the_filter")),
    Row("a cloud's credentials by a name", NETWORK_POLICY, None, (
        E2E + "13_network_policy.py::test_link_local_addresses_cannot_be_reached_by_address_or_by_name",
        "security/test_network_policy.py::test_agents_reach_everything_but_where_clouds_serve_credentials")),
    Row("loopback by a name that resolves to it", LEFT, None, (PROXY + "the_filter_matches_no_other_host",)),
    Row("any address by a name, without `networkPolicy.enabled`",
        LEFT, None, (PROXY + "the_filter_matches_no_other_host",)),
    Row("any other address and port, so the node's LAN and the cluster", LEFT, None, (
        PROXY + "connect_reaches_any_port", PROXY + "the_filter_matches_no_other_host")),
    Row("what other clients do, by tinyproxy's page", CHART, None, (
        PROXY + "the_page_of_the_probes_tells_a_client_nothing_about_other_clients",)),
    Row("all connections of a proxy, idle, until the timeout", LEFT, None, (
        PROXY + "idle_connections_stop_all_other_clients_until_the_timeout",)),
    Row("a token, from inside the proxy's container",
        CHART, None, (E2E + "06_rights.py::test_the_proxy_container_has_no_token",)),
)  # fmt: skip

TABLES = {
    "A hostile API server, gateway or object": SERVER,
    "A hostile environment": ENVIRONMENT,
    "A client of a proxy": CLIENTS,
}
