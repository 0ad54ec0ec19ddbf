"""The database that those of projects are made of: what PUBLIC loses in it (decision 20).

A login of a data backend is PUBLIC and the owner of its tables, nothing else. What the catalogs tell of others is taken
away: whoever works in such a database looks at `information_schema`, which shows what they may see. What stays visible
is listed in services/fleetdb/README.md.
"""

from hashlib import sha256
from typing import Final

TEMPLATE_NAME: Final = "ironflock_project"
# Names of functions in pg_catalog, as regular expressions. Some serve views of information_schema and must stay:
# pg_has_role, has_table_privilege and has_column_privilege, pg_get_expr.
FUNCTIONS: Final = (
    # Large objects belong to the whole database.
    "lo_.*", "loread", "lowrite", "has_largeobject_privilege",
    # Advisory locks too; who holds or waits for which lock.
    "pg_(try_)?advisory_.*", "pg_lock_status", "pg_(safe_snapshot_)?blocking_pids", "pg_isolation_test_.*",
    # Sessions, and what the server counts.
    "pg_stat_.*", "pg_(cancel|terminate)_backend", "pg_log_.*", "pg_get_backend_memory_contexts",
    "pg_notification_queue_usage", "pg_prepared_xact", "pg_get_shmem_.*", "pg_get_aios", "pg_get_loaded_modules",
    # Names and numbers of roles and databases, and of whatever has a number.
    "pg_get_userbyid", "to_regrole", "regroleout", "pg_describe_object", "pg_identify_object.*", "pg_get_acl",
    "pg_get_object_address", "acldefault", "aclexplode", "makeaclitem", "(sh|col_)?obj_description", "col_description",
    "has_(database|tablespace|server|foreign_data_wrapper|language|parameter)_privilege", "pg_database_.*",
    "pg_tablespace_.*", "pg_show_.*", "pg_settings_get_flags", "pg_hba_file_rules", "pg_ident_file_mappings",
    # Of which columns a table is, by the number of its type; what a relation is called, by its number.
    "format_type", "reg(class|type|namespace)out",
    "(record|array|domain|enum|(any|anycompatible)?(range|multirange))_(in|recv)",
    "nextval", "currval", "setval", "lastval", "pg_sequence_last_value", "pg_sequence_parameters",
    "brin_(de)?summarize_.*", "gin_clean_pending_list",
    # What is in tables, views and functions of others, and how large it is.
    "pg_get_(viewdef|functiondef|function_.*|ruledef|triggerdef|constraintdef|indexdef|statisticsobjdef.*)",
    "pg_get_(partkeydef|partition_constraintdef|catalog_foreign_keys|sequence_data|replica_identity_index)",
    "pg_(relation|table|indexes|total_relation)_size", "pg_relation_file.*", "pg_filenode_relation",
    "(table|query|cursor|schema|database)_to_xml.*",
    # How much the whole server writes, and what other transactions are at.
    "pg_current_(wal.*|snapshot|xact_id.*)", "txid_.*", "pg_snapshot_.*", "pg_visible_in_snapshot", "pg_xact_.*",
    "pg_last_.*", "pg_wal.*", "pg_control_.*", "pg_get_multixact_.*", "pg_export_snapshot", "pg_postmaster_start_time",
    "pg_conf_load_time", "pg_backup_.*", "pg_switch_wal", "pg_create_restore_point",
    # Replication, extensions, files.
    "pg_(create|copy|drop|sync)_.*slots?", "pg_logical_.*", "pg_replication_.*", "pg_show_replication_.*",
    "pg_get_(replication|wal|publication).*", "pg_event_trigger_.*", "pg_available_.*", "pg_extension_.*", "pg_ls_.*",
    "pg_read_.*", "pg_config", "pg_timezone_.*", "pg_import_system_collations", "pg_collation_actual_version",
    "pg_rotate_logfile.*", "pg_reload_conf", "pg_promote",
)  # fmt: skip


SIGNATURES: Final = tuple(
    f'"has_column_privilege({arguments})"' for arguments in ("oid,text,text", "name,oid,text,text", "oid,oid,text,text")
)
"""Of functions of the same name as one that must stay: they refuse a column by the name of its table."""
_NUMBERS_STAY_NUMBERS: Final = (
    "UPDATE pg_catalog.pg_type SET typoutput = 'pg_catalog.oidout'::regproc"
    " WHERE oid = ANY ('{regrole,regclass,regtype,regnamespace}'::regtype[])"
    " AND typoutput <> 'pg_catalog.oidout'::regproc"
)
"""As `regrole`, the number of a role would be shown as its name; so would those of tables, their types and schemas."""
_TYPES_OF_THE_SERVER: Final = (
    "CREATE OR REPLACE FUNCTION information_schema.known_type_name(oid, integer) RETURNS text LANGUAGE sql STABLE"
    " SECURITY DEFINER SET search_path = pg_catalog"
    " AS 'SELECT CASE WHEN $1 < 16384 THEN pg_catalog.format_type($1, $2) END'"
)
"""The views that everybody may read name types by `format_type`, which names those of other people's tables too."""
_NAME_THOSE_ONLY: Final = r"""
DO $do$
DECLARE each record;
BEGIN
    FOR each IN SELECT relname, pg_catalog.pg_get_viewdef(oid) AS definition FROM pg_catalog.pg_class
        WHERE relnamespace = 'information_schema'::regnamespace AND relkind = 'v'
        AND pg_catalog.pg_get_viewdef(oid) ~ '\mformat_type\('
    LOOP
        EXECUTE format('CREATE OR REPLACE VIEW information_schema.%I AS %s', each.relname,
            regexp_replace(each.definition, '\mformat_type\(', 'information_schema.known_type_name(', 'g'));
    END LOOP;
END $do$
"""
_TAKE_FUNCTIONS: Final = """
DO $do$
DECLARE each regprocedure;
BEGIN
    FOR each IN SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
        AND (proname ~ $re$^(PATTERN)$$re$ OR oid = ANY ('{SIGNATURES}'::regprocedure[]))
        AND pg_catalog.has_function_privilege('public', oid, 'EXECUTE')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each);
    END LOOP;
END $do$
"""


def statements() -> tuple[str, ...]:
    """What the superuser does in the template; done again it changes nothing."""
    return (
        "DROP SCHEMA IF EXISTS public",
        "REVOKE ALL ON ALL TABLES IN SCHEMA pg_catalog FROM PUBLIC",
        "REVOKE USAGE ON LANGUAGE sql, plpgsql FROM PUBLIC",
        _TYPES_OF_THE_SERVER,
        _NAME_THOSE_ONLY,
        _NUMBERS_STAY_NUMBERS,
        _TAKE_FUNCTIONS.replace("PATTERN", "|".join(FUNCTIONS)).replace("SIGNATURES", ",".join(SIGNATURES)),
    )


DIGEST: Final = "as of " + sha256("\n".join(statements()).encode()).hexdigest()
"""Stands as the comment of a database that has it all."""
