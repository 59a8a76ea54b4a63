//! Guests and clients that mean harm, beside a tenant that must not notice. Each test's name begins with the attack's id; `README.md`
//! lists them.

mod clients;
mod cpu;
mod excess;
mod frames;
mod jobs;
mod keys;
mod load;
mod memory;
mod operation;
mod outbound;
mod requests;
mod responses;
mod rest;
mod rows;
mod scene;
mod slow;
mod sql;
mod stage;
mod uploads;

use std::collections::BTreeSet;

use rows::Row;

macro_rules! rows {
    ($($module:ident: $($name:ident)+;)+) => {
        /// Every row there is a test for.
        static ROWS: [Row; [$($(stringify!($name)),+),+].len()] =
            [$($(Row::new(stringify!($name), || Box::pin($module::$name()))),+),+];

        $($(
            #[test]
            fn $name() {
                row(stringify!($name)).run();
            }
        )+)+
    };
}

rows! {
    keys:
        g_37_more_keys_than_there_may_be_and_those_of_others;
    jobs:
        g_41_more_jobs_than_there_may_be;
    sql:
        g_38_statements_that_reach_out_or_have_no_end
        g_39_transactions_that_are_left_open;
    uploads:
        a_11_paths_that_lead_elsewhere
        a_13_manifests_that_are_bombs
        a_14_routes_that_collide
        a_16_grants_of_more_than_there_is;
    slow:
        c_01_silence
        c_02_half_a_preface
        c_03_a_head_byte_by_byte
        c_04_a_body_byte_by_byte_or_not_at_all
        c_05_a_large_response_that_is_not_read
        c_06_stalled_handshakes;
    frames:
        c_07_rapid_reset
        c_08_reset_once_the_guest_runs
        c_09_headers_without_end
        c_10_frames_that_make_the_server_reset
        c_11_floods_of_small_frames
        c_12_header_lists_that_grow_when_they_are_read
        c_16_heads_that_http2_forbids;
    requests:
        c_13_lengths_that_disagree
        c_14_malformed_chunks
        c_15_hosts
        c_17_paths
        c_18_heads_that_are_too_large
        c_19_many_requests_in_one_write
        c_20_expectations
        c_21_methods
        c_22_upgrades
        c_25_a_compressed_bomb
        c_27_names_that_are_the_hosts_own;
    clients:
        c_23_leaving_at_every_byte
        c_28_an_answer_cannot_be_split
        g_23_work_after_the_client_has_left
        c_24_more_connections_than_descriptors
        c_29_no_request_costs_a_hundred_times_what_it_is;
    cpu:
        g_01_loop_in_the_handler
        g_03_loop_where_the_host_asks_for_room
        g_04_loop_of_cheap_host_calls
        g_05_wait_for_ever
        g_06_sleep_and_loop_in_turn
        g_18_never_answer
        g_24_loop_after_the_response
        g_26_recurse_without_end
        g_35_a_clock_for_timing_attacks;
    load:
        g_02_loop_in_start_code
        g_25_a_trap_at_instantiation
        g_36_imports_that_nobody_grants
        g_12_a_thousand_core_instances_or_a_memory_too_many
        g_07_features_that_no_guest_needs
        g_27_types_that_nest_without_end;
    memory:
        g_08_fill_the_whole_memory_again_and_again
        g_09_memory_grow_to_failure
        g_10_every_page_of_every_instance
        g_11_a_table_that_grows_or_begins_too_large
        g_33_look_for_what_others_left_in_memory
        g_34_what_another_request_left_in_the_instance;
    responses:
        g_17_a_response_without_end
        g_19_no_response_at_all
        g_20_a_trap_after_the_head
        g_21_a_body_that_is_never_read_does_not_become_the_next_request
        g_22_read_the_body_one_byte_at_a_time
        g_30_timeouts_of_nothing_and_of_ages
        g_15_names_that_are_the_connections
        g_16_lengths_that_lie;
    excess:
        g_13_a_million_headers
        g_14_a_header_that_is_too_long_and_names_that_are_none
        g_28_ten_megabytes_in_one_call
        g_29_a_million_handles
        g_31_more_random_bytes_than_there_are
        g_32_a_flood_of_log_lines;
    operation:
        o_04_told_to_end_under_load
        o_05_told_twice_or_in_the_middle_of_a_load
        o_09_every_instance_taken
        o_14_a_log_that_nobody_reads;
    outbound:
        g_15_names_of_the_connection_to_a_server
        g_16_lengths_that_lie_to_a_server
        g_40_ten_thousand_calls_of_one_request
        g_40_a_call_that_comes_back_by_way_of_another_server
        u_01_addresses_that_are_not_public
        u_02_spellings_of_loopback
        u_03_private_addresses_in_the_clothes_of_others
        u_04_names_that_move_between_the_check_and_the_connection
        u_05_redirects_are_the_guests_to_follow
        u_06_origins_that_look_like_a_granted_one
        u_07_the_hosts_own_listeners
        u_08_servers_that_fall_silent
        u_09_heads_and_bodies_without_end
        u_09_a_body_that_its_guest_does_not_read_is_not_read_for_it
        u_10_replies_that_can_be_read_in_two_ways_or_in_none
        u_10_what_comes_after_a_response_is_not_the_next_one
        u_11_connections_that_close_as_a_request_is_sent
        u_11_half_a_request_is_never_taken_for_a_whole_one
        u_12_certificates_that_prove_nothing
        u_14_name_servers_that_are_slow_or_say_too_much
        u_15_a_tenant_that_takes_every_seat
        o_10_a_tenant_that_opens_all_it_can;
}

fn row(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.name == name).expect("the macro lists it")
}

#[test]
fn the_table_names_every_row() {
    let is_row = |word: &&str| matches!(word.get(..2), Some("g_" | "c_" | "a_" | "o_" | "u_"));
    let tests: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
    let named: BTreeSet<_> = include_str!("README.md").split('`').filter(is_row).collect();
    assert_eq!(tests, named);
}

/// Each row's attack has met the one host that they share by then; what it held at rest before, it holds after.
#[test]
fn the_whole_suite_leaves_nothing_behind() {
    ROWS.iter().for_each(Row::run);
    if rows::are_whole() {
        rows::aside(scene::check());
    }
}
