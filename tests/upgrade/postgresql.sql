--
-- PostgreSQL database dump
--


-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)


--
-- Name: approval_fixed(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.approval_fixed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (
    NOT (
        OLD.void_at IS NULL
        AND NEW.void_at IS NOT NULL
        AND NEW.id = OLD.id
        AND NEW.request_id = OLD.request_id
        AND NEW.capacity = OLD.capacity
        AND NEW.rule_name = OLD.rule_name
        AND NEW.decision = OLD.decision
        AND NEW.stage = OLD.stage
        AND NEW.content_digest = OLD.content_digest
        AND NEW.reason = OLD.reason
        AND NEW.created_at = OLD.created_at
        AND COALESCE(NEW.approver_id, 0) = COALESCE(OLD.approver_id, 0)
        AND COALESCE(NEW.authority_id, 0) = COALESCE(OLD.authority_id, 0)
        AND EXISTS (
            SELECT 1
            FROM keys_app_keyrequest
            WHERE id = NEW.request_id
            AND state = 'pending'
            AND requester_id <> COALESCE(NEW.void_by_id, 0)
        )
    )
) THEN RAISE EXCEPTION 'a decision does not change' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: approval_not_own_insert(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.approval_not_own_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (
    (
        SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id
    ) IN (NEW.approver_id, NEW.authority_id)
) THEN RAISE EXCEPTION 'nobody decides their own request' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: approval_not_void_insert(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.approval_not_void_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (NEW.void_at IS NOT NULL) THEN RAISE EXCEPTION 'a decision does not change' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: approval_right_insert(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.approval_right_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (
    NEW.rule_name = ''
    AND (NEW.authority_id IS NULL OR (NEW.capacity <> 'deputy' AND NEW.authority_id <> NEW.approver_id))
) THEN RAISE EXCEPTION 'a decision needs the right of its approver or of the lead they stand in for' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: approval_rule_insert(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.approval_rule_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (NEW.rule_name <> '' AND NOT (SELECT risk FROM keys_app_keyrequest WHERE id = NEW.request_id) IN ('low')) THEN RAISE EXCEPTION 'this risk is not approved without people' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: audit_checkpoint_expect_next(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_checkpoint_expect_next() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF NEW.size <= (SELECT COALESCE(MAX(size), -1) FROM audit_checkpoint) OR NEW.size IS NULL THEN RAISE EXCEPTION 'the audit ledger is append-only: a larger checkpoint was expected'; END IF; RETURN NEW; END $$;


--
-- Name: audit_expect_next(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_expect_next() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM audit_auditevent) OR NEW.sequence IS NULL THEN RAISE EXCEPTION 'the audit ledger is append-only: the next number was expected'; END IF; RETURN NEW; END $$;


--
-- Name: audit_node_expect_next(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_node_expect_next() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF NEW.position <> (SELECT COALESCE(MAX(position) + 1, 0) FROM audit_node WHERE level = NEW.level) OR NEW.level NOT BETWEEN 1 AND 62 OR NEW.level IS NULL OR NEW.position IS NULL THEN RAISE EXCEPTION 'the audit ledger is append-only: the next node of a level was expected'; END IF; RETURN NEW; END $$;


--
-- Name: audit_refuse(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the audit ledger is append-only'; END $$;


--
-- Name: narrowing_fixed(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.narrowing_fixed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (1 = 1) THEN RAISE EXCEPTION 'a decision does not change' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: narrowing_insert(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.narrowing_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (
    (NOT (NEW.to_policy_json::jsonb -> 'allow') <@ (NEW.from_policy_json::jsonb -> 'allow'))
    OR (NEW.to_policy_json NOT LIKE '{"allow":["/%')
    OR (
        NOT EXISTS (
            SELECT 1
            FROM keys_app_keyrequest
            WHERE id = NEW.request_id
            AND state = 'pending'
            AND content_digest = NEW.from_digest
            AND policy_json = NEW.from_policy_json
            AND lifetime_days = NEW.from_lifetime_days
        )
    )
) THEN RAISE EXCEPTION 'a narrowing takes away and adds nothing' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: narrowing_not_own_insert(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.narrowing_not_own_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (NEW.approver_id = (SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id)) THEN RAISE EXCEPTION 'nobody decides their own request' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: request_approved_insert(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.request_approved_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (
    NEW.state IN ('approved', 'issuing', 'issued', 'failed')
    AND CASE
        WHEN NEW.incident <> '' AND NEW.reopened_at IS NULL THEN NEW.risk IN ('critical')
        ELSE NEW.leads_required - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity <> 'security'
        ) - GREATEST(
            0, (
                SELECT COUNT(*)
                FROM keys_app_approval
                WHERE request_id = NEW.id
                AND decision = 'approved'
                AND void_at IS NULL
                AND (
                    content_digest = NEW.content_digest
                    OR content_digest IN (
                        SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id
                    )
                )
                AND capacity = 'security'
            ) - (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END)
        ) > 0
        OR (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END) - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity = 'security'
        ) > 0
    END
) THEN RAISE EXCEPTION 'the approvals this request needs are missing' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: request_approved_update(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.request_approved_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (
    NEW.state IN ('approved', 'issuing', 'issued', 'failed')
    AND CASE
        WHEN NEW.incident <> '' AND NEW.reopened_at IS NULL THEN NEW.risk IN ('critical')
        ELSE NEW.leads_required - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity <> 'security'
        ) - GREATEST(
            0, (
                SELECT COUNT(*)
                FROM keys_app_approval
                WHERE request_id = NEW.id
                AND decision = 'approved'
                AND void_at IS NULL
                AND (
                    content_digest = NEW.content_digest
                    OR content_digest IN (
                        SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id
                    )
                )
                AND capacity = 'security'
            ) - (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END)
        ) > 0
        OR (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END) - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity = 'security'
        ) > 0
    END
) THEN RAISE EXCEPTION 'the approvals this request needs are missing' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: request_fixed(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.request_fixed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (
    NEW.requester_id <> OLD.requester_id
    OR NEW.team_id <> OLD.team_id
    OR NEW.account_id <> OLD.account_id
    OR NEW.friendly_name <> OLD.friendly_name
    OR NEW.incident <> OLD.incident
    OR NEW.leads_required < OLD.leads_required
    OR (OLD.reopened_at IS NOT NULL AND NEW.reopened_at IS NULL)
    OR (
        (
            NEW.policy_json <> OLD.policy_json
            OR NEW.lifetime_days <> OLD.lifetime_days
            OR NEW.content_digest <> OLD.content_digest
            OR (
                CASE NEW.risk WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END
            ) < (CASE OLD.risk WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END)
        )
        AND NOT EXISTS (
            SELECT 1
            FROM keys_app_narrowing
            WHERE request_id = NEW.id
            AND OLD.state = 'pending'
            AND from_digest = OLD.content_digest
            AND to_digest = NEW.content_digest
            AND from_policy_json = OLD.policy_json
            AND to_policy_json = NEW.policy_json
            AND from_lifetime_days = OLD.lifetime_days
            AND to_lifetime_days = NEW.lifetime_days
        )
    )
) THEN RAISE EXCEPTION 'what was asked for does not change' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: request_incident_insert(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.request_incident_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF (NEW.incident <> '' AND NEW.risk IN ('critical')) THEN RAISE EXCEPTION 'this risk is not approved without people' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;


--
-- Name: user_deactivated(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.user_deactivated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN 
    INSERT INTO keys_app_signin (
        user_id, sessions_ended, password_set_by, mail_set_by
    ) VALUES (
        NEW.id, 1, '', ''
    ) ON CONFLICT (user_id) DO UPDATE SET sessions_ended = keys_app_signin.sessions_ended + 1;
 RETURN NULL; END $$;




--
-- Name: account_emailaddress; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.account_emailaddress (
    id integer NOT NULL,
    email character varying(254) NOT NULL,
    verified boolean NOT NULL,
    "primary" boolean NOT NULL,
    user_id integer NOT NULL
);


--
-- Name: account_emailaddress_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.account_emailaddress ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.account_emailaddress_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: account_emailconfirmation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.account_emailconfirmation (
    id integer NOT NULL,
    created timestamp with time zone NOT NULL,
    sent timestamp with time zone,
    key character varying(64) NOT NULL,
    email_address_id integer NOT NULL
);


--
-- Name: account_emailconfirmation_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.account_emailconfirmation ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.account_emailconfirmation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: audit_auditevent; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_auditevent (
    sequence bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    action character varying(60) NOT NULL,
    actor_id character varying(40) NOT NULL,
    actor_name character varying(320) NOT NULL,
    address character varying(45) NOT NULL,
    account_sid character varying(34) NOT NULL,
    key_sid character varying(34) NOT NULL,
    request_id character varying(36) NOT NULL,
    team character varying(80),
    risk character varying(10),
    policy text NOT NULL,
    reason text NOT NULL,
    canonical text NOT NULL,
    leaf_hash bytea NOT NULL
);


--
-- Name: audit_checkpoint; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_checkpoint (
    size bigint NOT NULL,
    root bytea NOT NULL,
    "time" timestamp with time zone NOT NULL,
    key character varying(400) NOT NULL,
    note text NOT NULL
);


--
-- Name: audit_eventterm; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_eventterm (
    term character varying(180) NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL
);


--
-- Name: audit_node; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_node (
    level smallint NOT NULL,
    "position" bigint NOT NULL,
    hash bytea NOT NULL
);


--
-- Name: auth_group; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_group (
    id integer NOT NULL,
    name character varying(150) NOT NULL
);


--
-- Name: auth_group_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.auth_group ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_group_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: auth_group_permissions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_group_permissions (
    id bigint NOT NULL,
    group_id integer NOT NULL,
    permission_id integer NOT NULL
);


--
-- Name: auth_group_permissions_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.auth_group_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_group_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: auth_permission; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_permission (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    content_type_id integer NOT NULL,
    codename character varying(100) NOT NULL
);


--
-- Name: auth_permission_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.auth_permission ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_permission_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: auth_user; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_user (
    id integer NOT NULL,
    password character varying(128) NOT NULL,
    last_login timestamp with time zone,
    is_superuser boolean NOT NULL,
    username character varying(150) NOT NULL,
    first_name character varying(150) NOT NULL,
    last_name character varying(150) NOT NULL,
    email character varying(254) NOT NULL,
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    date_joined timestamp with time zone NOT NULL
);


--
-- Name: auth_user_groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_user_groups (
    id bigint NOT NULL,
    user_id integer NOT NULL,
    group_id integer NOT NULL
);


--
-- Name: auth_user_groups_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.auth_user_groups ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_user_groups_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: auth_user_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.auth_user ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_user_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: auth_user_user_permissions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_user_user_permissions (
    id bigint NOT NULL,
    user_id integer NOT NULL,
    permission_id integer NOT NULL
);


--
-- Name: auth_user_user_permissions_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.auth_user_user_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_user_user_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: django_admin_log; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.django_admin_log (
    id integer NOT NULL,
    action_time timestamp with time zone NOT NULL,
    object_id text,
    object_repr character varying(200) NOT NULL,
    action_flag smallint NOT NULL,
    change_message text NOT NULL,
    content_type_id integer,
    user_id integer NOT NULL,
    CONSTRAINT django_admin_log_action_flag_check CHECK ((action_flag >= 0))
);


--
-- Name: django_admin_log_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.django_admin_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_admin_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: django_content_type; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.django_content_type (
    id integer NOT NULL,
    app_label character varying(100) NOT NULL,
    model character varying(100) NOT NULL
);


--
-- Name: django_content_type_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.django_content_type ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_content_type_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: django_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.django_migrations (
    id bigint NOT NULL,
    app character varying(255) NOT NULL,
    name character varying(255) NOT NULL,
    applied timestamp with time zone NOT NULL
);


--
-- Name: django_migrations_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.django_migrations ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_migrations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: django_session; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.django_session (
    session_key character varying(40) NOT NULL,
    session_data text NOT NULL,
    expire_date timestamp with time zone NOT NULL
);


--
-- Name: keys_app_accessreview; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_accessreview (
    id bigint NOT NULL,
    quarter character varying(7) NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    closed_by_id integer,
    opened_by_id integer NOT NULL
);


--
-- Name: keys_app_accessreview_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_accessreview ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_accessreview_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_account; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_account (
    allowed_products jsonb NOT NULL,
    forbidden_permissions jsonb NOT NULL,
    max_risk character varying(10) NOT NULL,
    sid character varying(34) NOT NULL,
    name character varying(80) NOT NULL,
    environment character varying(20) NOT NULL,
    max_lifetime_days smallint,
    leads_required smallint NOT NULL,
    is_active boolean NOT NULL,
    credential_user character varying(34) NOT NULL,
    credential_ciphertext text NOT NULL,
    connected_at timestamp with time zone NOT NULL,
    CONSTRAINT account_has_a_credential CHECK ((NOT (credential_ciphertext = ''::text))),
    CONSTRAINT account_leads_required_in_range CHECK (((leads_required >= 1) AND (leads_required <= 2))),
    CONSTRAINT keys_app_account_leads_required_check CHECK ((leads_required >= 0)),
    CONSTRAINT keys_app_account_max_lifetime_days_check CHECK ((max_lifetime_days >= 0))
);


--
-- Name: keys_app_account_teams; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_account_teams (
    id bigint NOT NULL,
    account_id character varying(34) NOT NULL,
    team_id bigint NOT NULL
);


--
-- Name: keys_app_account_teams_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_account_teams ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_account_teams_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_accountcheck; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_accountcheck (
    account_id character varying(34) NOT NULL,
    last_complete_at timestamp with time zone,
    keys_listed integer NOT NULL,
    failed_runs integer NOT NULL,
    failing_since timestamp with time zone,
    last_error character varying(400) NOT NULL,
    CONSTRAINT keys_app_accountcheck_failed_runs_check CHECK ((failed_runs >= 0)),
    CONSTRAINT keys_app_accountcheck_keys_listed_check CHECK ((keys_listed >= 0))
);


--
-- Name: keys_app_apikey; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_apikey (
    sid character varying(34) NOT NULL,
    friendly_name character varying(64) NOT NULL,
    policy_json text NOT NULL,
    state character varying(10) NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone,
    retires_at timestamp with time zone,
    adopted_at timestamp with time zone,
    revoked_at timestamp with time zone,
    revoke_reason text NOT NULL,
    reminded_days smallint,
    checked_at timestamp with time zone,
    drift_json text NOT NULL,
    missing_since timestamp with time zone,
    handover_by timestamp with time zone,
    handover_warned_at timestamp with time zone,
    account_id character varying(34) NOT NULL,
    owner_id integer NOT NULL,
    issuance_id bigint,
    request_id uuid,
    team_id bigint NOT NULL,
    CONSTRAINT key_expires_after_issue CHECK ((expires_at > issued_at)),
    CONSTRAINT key_is_made_or_adopted CHECK ((((adopted_at IS NULL) AND (issuance_id IS NOT NULL) AND (request_id IS NOT NULL)) OR ((adopted_at IS NOT NULL) AND (issuance_id IS NULL) AND (request_id IS NULL) AND (retires_at IS NULL)))),
    CONSTRAINT key_revoked_at_matches_state CHECK ((((revoked_at IS NOT NULL) AND ((state)::text = 'revoked'::text)) OR ((NOT ((state)::text = 'revoked'::text)) AND (revoked_at IS NULL)))),
    CONSTRAINT key_state_known CHECK (((state)::text = ANY ((ARRAY['active'::character varying, 'revoking'::character varying, 'revoked'::character varying])::text[]))),
    CONSTRAINT keys_app_apikey_reminded_days_check CHECK ((reminded_days >= 0)),
    CONSTRAINT made_key_has_a_policy CHECK (((NOT (policy_json = ''::text)) OR (request_id IS NULL)))
);


--
-- Name: keys_app_approval; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_approval (
    id bigint NOT NULL,
    capacity character varying(10) NOT NULL,
    rule_name character varying(80) NOT NULL,
    decision character varying(10) NOT NULL,
    stage smallint NOT NULL,
    content_digest character varying(64) NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    void_at timestamp with time zone,
    void_reason text DEFAULT ''::text NOT NULL,
    approver_id integer,
    authority_id integer,
    void_by_id integer,
    request_id uuid NOT NULL,
    CONSTRAINT decided_by_a_person_or_a_rule CHECK ((((approver_id IS NOT NULL) AND ((rule_name)::text = ''::text)) OR ((NOT ((rule_name)::text = ''::text)) AND (approver_id IS NULL) AND ((capacity)::text = 'rule'::text) AND ((decision)::text = 'approved'::text)))),
    CONSTRAINT keys_app_approval_stage_check CHECK ((stage >= 0)),
    CONSTRAINT rejection_has_a_reason CHECK ((((decision)::text = 'approved'::text) OR (NOT (reason = ''::text)))),
    CONSTRAINT void_approval_has_a_reason CHECK ((((void_at IS NULL) AND (void_by_id IS NULL) AND (void_reason = ''::text)) OR (((decision)::text = 'approved'::text) AND (void_at IS NOT NULL) AND (NOT (void_reason = ''::text)))))
);


--
-- Name: keys_app_approval_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_approval ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_approval_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_approvalrule; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_approvalrule (
    id bigint NOT NULL,
    name character varying(80) NOT NULL,
    template character varying(60) NOT NULL,
    environment character varying(20) NOT NULL,
    max_lifetime_days smallint NOT NULL,
    is_active boolean NOT NULL,
    team_id bigint,
    CONSTRAINT keys_app_approvalrule_max_lifetime_days_check CHECK ((max_lifetime_days >= 0))
);


--
-- Name: keys_app_approvalrule_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_approvalrule ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_approvalrule_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_catalogueobservation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_catalogueobservation (
    id bigint NOT NULL,
    permission character varying(200) NOT NULL,
    accepted boolean NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    account_id character varying(34) NOT NULL
);


--
-- Name: keys_app_catalogueobservation_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_catalogueobservation ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_catalogueobservation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_cataloguepermission; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_cataloguepermission (
    name character varying(200) NOT NULL,
    meaning character varying(200) NOT NULL,
    removed boolean NOT NULL
);


--
-- Name: keys_app_comment; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_comment (
    id bigint NOT NULL,
    text text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    author_id integer NOT NULL,
    request_id uuid NOT NULL
);


--
-- Name: keys_app_comment_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_comment ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_comment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_delegation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_delegation (
    id bigint NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    deputy_id integer NOT NULL,
    lead_id integer NOT NULL,
    team_id bigint NOT NULL,
    CONSTRAINT delegation_ends_after_it_starts CHECK ((ends_at >= starts_at)),
    CONSTRAINT deputy_is_somebody_else CHECK ((NOT (lead_id = deputy_id)))
);


--
-- Name: keys_app_delegation_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_delegation ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_delegation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_feedtoken; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_feedtoken (
    id bigint NOT NULL,
    name character varying(80) NOT NULL,
    digest character varying(64) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    warned_at timestamp with time zone,
    revoked_at timestamp with time zone,
    end_reason character varying(80) NOT NULL,
    last_used_at timestamp with time zone,
    last_recorded_at timestamp with time zone,
    created_by_id integer NOT NULL,
    CONSTRAINT feed_expires_after_it_was_created CHECK ((expires_at > created_at))
);


--
-- Name: keys_app_feedtoken_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_feedtoken ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_feedtoken_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_issuance; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_issuance (
    id bigint NOT NULL,
    number smallint NOT NULL,
    marker character varying(12) NOT NULL,
    state character varying(20) NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    twilio_code integer,
    message character varying(400) NOT NULL,
    key_sid character varying(34) NOT NULL,
    orphan_sid character varying(34) NOT NULL,
    times_not_listed smallint NOT NULL,
    overlap_hours smallint,
    rotates_id character varying(34),
    request_id uuid NOT NULL,
    CONSTRAINT issuance_state_known CHECK (((state)::text = ANY ((ARRAY['started'::character varying, 'unknown'::character varying, 'issued'::character varying, 'refused'::character varying, 'not_processed'::character varying, 'never_created'::character varying, 'orphan_deleted'::character varying, 'breach'::character varying])::text[]))),
    CONSTRAINT keys_app_issuance_number_check CHECK ((number >= 0)),
    CONSTRAINT keys_app_issuance_overlap_hours_check CHECK ((overlap_hours >= 0)),
    CONSTRAINT keys_app_issuance_times_not_listed_check CHECK ((times_not_listed >= 0)),
    CONSTRAINT rotation_has_an_overlap CHECK ((((overlap_hours IS NULL) AND (rotates_id IS NULL)) OR ((overlap_hours IS NOT NULL) AND (rotates_id IS NOT NULL))))
);


--
-- Name: keys_app_issuance_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_issuance ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_issuance_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_keyrequest; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_keyrequest (
    id uuid NOT NULL,
    friendly_name character varying(46) NOT NULL,
    purpose text NOT NULL,
    ticket_url character varying(500) NOT NULL,
    lifetime_days smallint NOT NULL,
    policy_json text NOT NULL,
    content_digest character varying(64) NOT NULL,
    risk character varying(10) NOT NULL,
    leads_required smallint NOT NULL,
    incident character varying(40) NOT NULL,
    template character varying(60) NOT NULL,
    state character varying(10) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    approved_at timestamp with time zone,
    claim_until timestamp with time zone,
    reopened_at timestamp with time zone,
    reopened_reason text DEFAULT ''::text NOT NULL,
    account_id character varying(34) NOT NULL,
    changes_key_id character varying(34),
    requester_id integer NOT NULL,
    team_id bigint NOT NULL,
    CONSTRAINT break_glass_key_lives_a_day_at_most CHECK ((((incident)::text = ''::text) OR (lifetime_days = 1))),
    CONSTRAINT keys_app_keyrequest_leads_required_check CHECK ((leads_required >= 0)),
    CONSTRAINT keys_app_keyrequest_lifetime_days_check CHECK ((lifetime_days >= 0)),
    CONSTRAINT reopened_with_a_reason CHECK ((((reopened_at IS NULL) AND (reopened_reason = ''::text)) OR ((reopened_at IS NOT NULL) AND (NOT (reopened_reason = ''::text))))),
    CONSTRAINT request_approved_before_issuing CHECK (((NOT ((state)::text = ANY ((ARRAY['approved'::character varying, 'issuing'::character varying, 'issued'::character varying, 'failed'::character varying])::text[]))) OR (approved_at IS NOT NULL))),
    CONSTRAINT request_lifetime_in_range CHECK (((lifetime_days >= 1) AND (lifetime_days <= 365))),
    CONSTRAINT request_risk_known CHECK (((risk)::text = ANY ((ARRAY['low'::character varying, 'medium'::character varying, 'high'::character varying, 'critical'::character varying])::text[]))),
    CONSTRAINT request_state_known CHECK (((state)::text = ANY ((ARRAY['pending'::character varying, 'approved'::character varying, 'issuing'::character varying, 'issued'::character varying, 'failed'::character varying, 'rejected'::character varying, 'cancelled'::character varying, 'lapsed'::character varying])::text[])))
);


--
-- Name: keys_app_narrowing; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_narrowing (
    id bigint NOT NULL,
    from_policy_json text NOT NULL,
    to_policy_json text NOT NULL,
    from_lifetime_days smallint NOT NULL,
    to_lifetime_days smallint NOT NULL,
    from_digest character varying(64) NOT NULL,
    to_digest character varying(64) NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    approver_id integer NOT NULL,
    request_id uuid NOT NULL,
    CONSTRAINT keys_app_narrowing_from_lifetime_days_check CHECK ((from_lifetime_days >= 0)),
    CONSTRAINT keys_app_narrowing_to_lifetime_days_check CHECK ((to_lifetime_days >= 0)),
    CONSTRAINT narrowing_changes_something CHECK ((NOT ((from_digest)::text = (to_digest)::text))),
    CONSTRAINT narrowing_does_not_lengthen CHECK (((to_lifetime_days >= 1) AND (to_lifetime_days <= from_lifetime_days))),
    CONSTRAINT narrowing_has_a_reason CHECK ((NOT (reason = ''::text)))
);


--
-- Name: keys_app_narrowing_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_narrowing ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_narrowing_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_noticekey; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_noticekey (
    id uuid NOT NULL,
    key character varying(200) NOT NULL,
    created_at timestamp with time zone NOT NULL
);


--
-- Name: keys_app_probe; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_probe (
    id bigint NOT NULL,
    marker character varying(12) NOT NULL,
    started_at timestamp with time zone NOT NULL,
    in_flight_until timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    key_sid character varying(34) NOT NULL,
    account_id character varying(34) NOT NULL
);


--
-- Name: keys_app_probe_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_probe ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_probe_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_pushposition; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_pushposition (
    target character varying(64) NOT NULL,
    sequence bigint NOT NULL,
    moved_at timestamp with time zone,
    holder uuid,
    held_until timestamp with time zone
);


--
-- Name: keys_app_reconcilerun; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_reconcilerun (
    id bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    findings jsonb NOT NULL,
    found_something boolean NOT NULL,
    error character varying(400) NOT NULL
);


--
-- Name: keys_app_reconcilerun_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_reconcilerun ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_reconcilerun_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_repeat; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_repeat (
    id bigint NOT NULL,
    action character varying(60) NOT NULL,
    hour timestamp with time zone NOT NULL,
    actor_id character varying(40) NOT NULL,
    login character varying(150) NOT NULL,
    actor_name character varying(320) NOT NULL,
    address character varying(45) NOT NULL,
    key_sid character varying(34) NOT NULL,
    request_id character varying(36) NOT NULL,
    times integer NOT NULL,
    CONSTRAINT keys_app_repeat_times_check CHECK ((times >= 0))
);


--
-- Name: keys_app_repeat_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_repeat ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_repeat_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_reviewedkey; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_reviewedkey (
    id bigint NOT NULL,
    decision character varying(10) NOT NULL,
    note text NOT NULL,
    decided_at timestamp with time zone,
    decided_by_id integer,
    key_id character varying(34) NOT NULL,
    review_id bigint NOT NULL,
    team_id bigint NOT NULL,
    CONSTRAINT review_decision_has_a_person CHECK ((((decided_at IS NULL) AND (decided_by_id IS NULL) AND ((decision)::text = ''::text)) OR ((decided_at IS NOT NULL) AND (decided_by_id IS NOT NULL) AND ((decision)::text = ANY ((ARRAY['kept'::character varying, 'revoked'::character varying])::text[]))))),
    CONSTRAINT review_revoked_with_a_note CHECK (((NOT ((decision)::text = 'revoked'::text)) OR (NOT (note = ''::text))))
);


--
-- Name: keys_app_reviewedkey_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_reviewedkey ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_reviewedkey_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_signin; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_signin (
    user_id integer NOT NULL,
    sessions_ended integer NOT NULL,
    password_set_by character varying(400) NOT NULL,
    mail_set_by character varying(400) NOT NULL,
    CONSTRAINT keys_app_signin_sessions_ended_check CHECK ((sessions_ended >= 0))
);


--
-- Name: keys_app_team; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_team (
    id bigint NOT NULL,
    allowed_products jsonb NOT NULL,
    forbidden_permissions jsonb NOT NULL,
    max_risk character varying(10) NOT NULL,
    name character varying(80) NOT NULL,
    max_lifetime_days smallint NOT NULL,
    notice_email character varying(254) NOT NULL,
    CONSTRAINT keys_app_team_max_lifetime_days_check CHECK ((max_lifetime_days >= 0)),
    CONSTRAINT team_max_lifetime_in_range CHECK (((max_lifetime_days >= 1) AND (max_lifetime_days <= 365)))
);


--
-- Name: keys_app_team_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_team ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_team_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_teammembership; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_teammembership (
    id bigint NOT NULL,
    is_lead boolean NOT NULL,
    may_break_glass boolean NOT NULL,
    team_id bigint NOT NULL,
    user_id integer NOT NULL
);


--
-- Name: keys_app_teammembership_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_teammembership ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_teammembership_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_unmanagedkey; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_unmanagedkey (
    sid character varying(34) NOT NULL,
    friendly_name character varying(200) NOT NULL,
    created_at timestamp with time zone,
    first_seen timestamp with time zone NOT NULL,
    last_seen timestamp with time zone NOT NULL,
    missing_since timestamp with time zone,
    gone_at timestamp with time zone,
    checked_at timestamp with time zone,
    policy_json text NOT NULL,
    adopted_at timestamp with time zone,
    account_id character varying(34) NOT NULL,
    proposed_by_id integer,
    proposed_team_id bigint,
    CONSTRAINT policy_was_looked_at CHECK (((policy_json = ''::text) OR (checked_at IS NOT NULL)))
);


--
-- Name: keys_app_webhook; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_webhook (
    id bigint NOT NULL,
    name character varying(80) NOT NULL,
    kind character varying(10) NOT NULL,
    event_kinds jsonb NOT NULL,
    is_active boolean NOT NULL,
    url_ciphertext text NOT NULL,
    url_host character varying(260) NOT NULL,
    signing_secret_ciphertext text NOT NULL,
    team_id bigint,
    CONSTRAINT webhook_has_an_address CHECK ((NOT (url_ciphertext = ''::text))),
    CONSTRAINT webhook_is_signed CHECK (((NOT ((kind)::text = 'generic'::text)) OR (NOT (signing_secret_ciphertext = ''::text))))
);


--
-- Name: keys_app_webhook_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.keys_app_webhook ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.keys_app_webhook_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: keys_app_webhookdelivery; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys_app_webhookdelivery (
    id uuid NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    attempts smallint NOT NULL,
    next_try_at timestamp with time zone NOT NULL,
    delivered_at timestamp with time zone,
    gave_up_at timestamp with time zone,
    last_error character varying(200) NOT NULL,
    webhook_id bigint NOT NULL,
    CONSTRAINT keys_app_webhookdelivery_attempts_check CHECK ((attempts >= 0))
);


--
-- Name: post_office_attachment; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.post_office_attachment (
    id integer NOT NULL,
    file character varying(100) NOT NULL,
    name character varying(255) NOT NULL,
    mimetype character varying(255) NOT NULL,
    headers jsonb
);


--
-- Name: post_office_attachment_emails; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.post_office_attachment_emails (
    id bigint NOT NULL,
    attachment_id integer NOT NULL,
    email_id integer NOT NULL
);


--
-- Name: post_office_attachment_emails_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.post_office_attachment_emails ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.post_office_attachment_emails_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: post_office_attachment_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.post_office_attachment ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.post_office_attachment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: post_office_email; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.post_office_email (
    id integer NOT NULL,
    from_email character varying(254) NOT NULL,
    "to" text NOT NULL,
    cc text NOT NULL,
    bcc text NOT NULL,
    subject character varying(989) NOT NULL,
    message text NOT NULL,
    html_message text NOT NULL,
    status smallint,
    priority smallint,
    created timestamp with time zone NOT NULL,
    last_updated timestamp with time zone NOT NULL,
    scheduled_time timestamp with time zone,
    headers jsonb,
    context jsonb,
    template_id integer,
    backend_alias character varying(64) NOT NULL,
    number_of_retries integer,
    expires_at timestamp with time zone,
    message_id character varying(255),
    recipient_delivery_status smallint,
    CONSTRAINT post_office_email_number_of_retries_check CHECK ((number_of_retries >= 0)),
    CONSTRAINT post_office_email_priority_check CHECK ((priority >= 0)),
    CONSTRAINT post_office_email_recipient_delivery_status_check CHECK ((recipient_delivery_status >= 0)),
    CONSTRAINT post_office_email_status_check CHECK ((status >= 0))
);


--
-- Name: post_office_email_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.post_office_email ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.post_office_email_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: post_office_emailtemplate; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.post_office_emailtemplate (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    description text NOT NULL,
    subject character varying(255) NOT NULL,
    content text NOT NULL,
    html_content text NOT NULL,
    created timestamp with time zone NOT NULL,
    last_updated timestamp with time zone NOT NULL,
    default_template_id integer,
    language character varying(12) NOT NULL
);


--
-- Name: post_office_emailtemplate_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.post_office_emailtemplate ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.post_office_emailtemplate_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: post_office_log; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.post_office_log (
    id integer NOT NULL,
    date timestamp with time zone NOT NULL,
    status smallint NOT NULL,
    exception_type character varying(255) NOT NULL,
    message text NOT NULL,
    email_id integer NOT NULL,
    CONSTRAINT post_office_log_status_check CHECK ((status >= 0))
);


--
-- Name: post_office_log_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.post_office_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.post_office_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Data for Name: account_emailaddress; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: account_emailconfirmation; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: audit_auditevent; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_auditevent VALUES
	(1, '2026-11-28 00:13:02.312577+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"fresh","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef","risk":"low","sequence":1,"team":"Payments","time":"2026-11-28T00:13:02.312577+00:00"}', '\x32c4bbb9c26c2e205e2c67c649aa7da37218fa7eff67d84d20c8b425bef7b845'),
	(2, '2026-11-28 00:13:02.420397+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"f2002537e663167bfc0d4f3b2787486dc3483e23e7d3e0c4e56e63f3d9f287c9","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef","risk":"low","sequence":2,"team":"Payments","time":"2026-11-28T00:13:02.420397+00:00"}', '\x630347d47a550b89da325bc0656d7c71bccd526062024562015a5d2c3d39f178'),
	(3, '2026-11-28 00:13:02.4665+00', 'key.issue_started', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"HA2LIRTUQBJQ"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef","risk":"low","sequence":3,"team":"Payments","time":"2026-11-28T00:13:02.466500+00:00"}', '\x09cf30a472fa0f21f696db6fd41f6ea1265e8a22cb3269799000a3bf6067700e'),
	(4, '2026-11-28 00:13:02.483555+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SK301f5125f4cf62378959046bee6367a2', '3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:13:02.480850+00:00","marker":"HA2LIRTUQBJQ"},"key_sid":"SK301f5125f4cf62378959046bee6367a2","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef","risk":"low","sequence":4,"team":"Payments","time":"2026-11-28T00:13:02.483555+00:00"}', '\xd598e4209827fea3b94f5859bc423a43572dfe0c046668c82d77c9c4de0087cc'),
	(5, '2026-11-28 00:13:02.542267+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', 'e75699f2-eae9-4f4a-a000-8c03cb58d946', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"confirmed","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"e75699f2-eae9-4f4a-a000-8c03cb58d946","risk":"low","sequence":5,"team":"Payments","time":"2026-11-28T00:13:02.542267+00:00"}', '\x3364ff7c83f36581af4f506a32704d4ec8c69c364dfc7c6b00496145720db6e1'),
	(6, '2026-11-28 00:13:02.618413+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', 'e75699f2-eae9-4f4a-a000-8c03cb58d946', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"eab79ff05820f4b177a2c5ea6fff853413b4a4cb285c40685f4200f8f73536b0","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"e75699f2-eae9-4f4a-a000-8c03cb58d946","risk":"low","sequence":6,"team":"Payments","time":"2026-11-28T00:13:02.618413+00:00"}', '\x84c008a86068b4e2d94f41ca996a69901b810271b6c75ae3272d7add0990d501'),
	(7, '2026-11-28 00:13:02.672235+00', 'key.issue_started', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', 'e75699f2-eae9-4f4a-a000-8c03cb58d946', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"JO2PHRRTGEU3"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"e75699f2-eae9-4f4a-a000-8c03cb58d946","risk":"low","sequence":7,"team":"Payments","time":"2026-11-28T00:13:02.672235+00:00"}', '\xe43819b7ad57d1f40c91ccd0564535ee5d0c7a0831e5b4a3ef555e74365bb419'),
	(8, '2026-11-28 00:13:02.68382+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SKbb33ba5dc4f55e5b68bffd9535315cd7', 'e75699f2-eae9-4f4a-a000-8c03cb58d946', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:13:02.681336+00:00","marker":"JO2PHRRTGEU3"},"key_sid":"SKbb33ba5dc4f55e5b68bffd9535315cd7","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"e75699f2-eae9-4f4a-a000-8c03cb58d946","risk":"low","sequence":8,"team":"Payments","time":"2026-11-28T00:13:02.683820+00:00"}', '\xb84199567cec1eb743768fe2f4a107aed2a307c82632290e5e632c90d5acbb78'),
	(9, '2026-11-28 00:13:02.74009+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"retiring","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"bf1ace25-7707-453b-8830-5a2de7d23d0d","risk":"low","sequence":9,"team":"Payments","time":"2026-11-28T00:13:02.740090+00:00"}', '\x6a62330af4cea44f91816c915a529e5402873550658e6dbebb5c0f94b86c09a7'),
	(10, '2026-11-28 00:13:02.92533+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"c3dacdd57f6f8f2c921f471bee198f70bee63d8d52ca5e474de3041e1a21b614","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"bf1ace25-7707-453b-8830-5a2de7d23d0d","risk":"low","sequence":10,"team":"Payments","time":"2026-11-28T00:13:02.925330+00:00"}', '\x7b50dfade7706909540b7f3bad83749ff16b6286441b83654fdc4746a2152b72'),
	(11, '2026-11-28 00:13:02.96976+00', 'key.issue_started', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"KQMAMBRKZLUN"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"bf1ace25-7707-453b-8830-5a2de7d23d0d","risk":"low","sequence":11,"team":"Payments","time":"2026-11-28T00:13:02.969760+00:00"}', '\xf39f8d682c4194c3b92560abcc4c511a662261b2a95fb5e6cabc6977b17df052'),
	(12, '2026-11-28 00:13:02.979458+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SK2c5c8581f72fba9b6d1bdcd6d92d1e85', 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:13:02.977409+00:00","marker":"KQMAMBRKZLUN"},"key_sid":"SK2c5c8581f72fba9b6d1bdcd6d92d1e85","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"bf1ace25-7707-453b-8830-5a2de7d23d0d","risk":"low","sequence":12,"team":"Payments","time":"2026-11-28T00:13:02.979458+00:00"}', '\xcf561894d4ad1f354d21ea5e3fd6c150387471b3559eb3be7fc8eccb2d42c9e4'),
	(13, '2026-11-28 00:13:03.029349+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '938cc3a5-6a07-47d3-a1c9-396c120bb097', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"revoked","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"938cc3a5-6a07-47d3-a1c9-396c120bb097","risk":"low","sequence":13,"team":"Payments","time":"2026-11-28T00:13:03.029349+00:00"}', '\xaa634d850d48f07d7dcf56aefef1d3eff22d2a8824e170d3a1c4702a901702ec'),
	(14, '2026-11-28 00:13:03.110949+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '938cc3a5-6a07-47d3-a1c9-396c120bb097', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"9eefda91e37d02335b7ad572fcf76c7762b11e271e3988212ba9c1a120119891","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"938cc3a5-6a07-47d3-a1c9-396c120bb097","risk":"low","sequence":14,"team":"Payments","time":"2026-11-28T00:13:03.110949+00:00"}', '\x7bb326ac952c5b2d9b10aee18f6a097e844ede532efd620d8532ec47515315f6'),
	(15, '2026-11-28 00:13:03.154259+00', 'key.issue_started', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '938cc3a5-6a07-47d3-a1c9-396c120bb097', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"E3TZXGNJCQJQ"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"938cc3a5-6a07-47d3-a1c9-396c120bb097","risk":"low","sequence":15,"team":"Payments","time":"2026-11-28T00:13:03.154259+00:00"}', '\x8815d9cf78af83720d43d6a6926c8b00a03ae80b0e6caeb66d965ac70c421944'),
	(16, '2026-11-28 00:13:03.165921+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SK1c8527310829a18ae8cda5b9271de317', '938cc3a5-6a07-47d3-a1c9-396c120bb097', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:13:03.163336+00:00","marker":"E3TZXGNJCQJQ"},"key_sid":"SK1c8527310829a18ae8cda5b9271de317","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"938cc3a5-6a07-47d3-a1c9-396c120bb097","risk":"low","sequence":16,"team":"Payments","time":"2026-11-28T00:13:03.165921+00:00"}', '\xbe747caed91fc5fe6000c0d15069f888bf471edd8b19c2ad14fc4cbfc1a90880'),
	(17, '2026-11-28 00:13:03.205973+00', 'key.confirmed', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SKbb33ba5dc4f55e5b68bffd9535315cd7', 'e75699f2-eae9-4f4a-a000-8c03cb58d946', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.confirmed","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SKbb33ba5dc4f55e5b68bffd9535315cd7","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"e75699f2-eae9-4f4a-a000-8c03cb58d946","risk":"low","sequence":17,"team":"Payments","time":"2026-11-28T00:13:03.205973+00:00"}', '\x714b031a1102bbdaa18123aaa0c6e9a30e90c6d4d15134983f3b8be93c1758f7'),
	(18, '2026-11-28 00:13:03.239817+00', 'key.rotate_started', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SK2c5c8581f72fba9b6d1bdcd6d92d1e85', 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.rotate_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":2,"marker":"XP7DQJ3OYHWQ","overlap_hours":24},"key_sid":"SK2c5c8581f72fba9b6d1bdcd6d92d1e85","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"bf1ace25-7707-453b-8830-5a2de7d23d0d","risk":"low","sequence":18,"team":"Payments","time":"2026-11-28T00:13:03.239817+00:00"}', '\xcacd1568f58c1f1e829e10058740ce495cdab92055300a98129db7b58dfee6d6'),
	(19, '2026-11-28 00:13:03.253132+00', 'key.rotated', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SK2c5c8581f72fba9b6d1bdcd6d92d1e85', 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.rotated","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"retires":"2026-11-29T00:13:03.248944+00:00","successor":"SK45e4c9919a3ec2a94eee6cf5f22349eb"},"key_sid":"SK2c5c8581f72fba9b6d1bdcd6d92d1e85","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"bf1ace25-7707-453b-8830-5a2de7d23d0d","risk":"low","sequence":19,"team":"Payments","time":"2026-11-28T00:13:03.253132+00:00"}', '\xdd6ba6fe7127ccc07059116f380c1c4c868946ead0cc14320870a959f0e34d06'),
	(20, '2026-11-28 00:13:03.254705+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SK45e4c9919a3ec2a94eee6cf5f22349eb', 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:13:02.977409+00:00","marker":"XP7DQJ3OYHWQ","rotates":"SK2c5c8581f72fba9b6d1bdcd6d92d1e85"},"key_sid":"SK45e4c9919a3ec2a94eee6cf5f22349eb","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"bf1ace25-7707-453b-8830-5a2de7d23d0d","risk":"low","sequence":20,"team":"Payments","time":"2026-11-28T00:13:03.254705+00:00"}', '\x5f591246e04d8ce5d94832ee6617aab90781b18c1f1d957545a47186099e4a1e'),
	(21, '2026-11-28 00:13:03.281442+00', 'key.revoke_started', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SK1c8527310829a18ae8cda5b9271de317', '938cc3a5-6a07-47d3-a1c9-396c120bb097', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'No longer needed.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.revoke_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SK1c8527310829a18ae8cda5b9271de317","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"No longer needed.","request_id":"938cc3a5-6a07-47d3-a1c9-396c120bb097","risk":"low","sequence":21,"team":"Payments","time":"2026-11-28T00:13:03.281442+00:00"}', '\x7271aa7a41aa476757fb1267c356474a35bcd4e8664282cded49e222f9431c3a'),
	(22, '2026-11-28 00:13:03.290609+00', 'key.revoked', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', 'SK1c8527310829a18ae8cda5b9271de317', '938cc3a5-6a07-47d3-a1c9-396c120bb097', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'No longer needed.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"key.revoked","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SK1c8527310829a18ae8cda5b9271de317","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"No longer needed.","request_id":"938cc3a5-6a07-47d3-a1c9-396c120bb097","risk":"low","sequence":22,"team":"Payments","time":"2026-11-28T00:13:03.290609+00:00"}', '\xde6a0cbb93c58c428643fd41380f57b948525ad1cb41d19f52e28ca72a9d592d'),
	(23, '2026-11-28 00:13:03.356226+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', 'e3c5d157-23f8-49b3-9f3a-e16934dcfb39', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"waits","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"e3c5d157-23f8-49b3-9f3a-e16934dcfb39","risk":"low","sequence":23,"team":"Payments","time":"2026-11-28T00:13:03.356226+00:00"}', '\xccbbc0c4e7e874276b9091b4a033d4d7320ecdc492399cbc6bbfcb14ede474a4'),
	(24, '2026-11-28 00:13:03.407216+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '9f4eec94-e9db-493f-94fa-4fe4c9f5fc50', 'Payments', 'critical', '{"allow":["/twilio/iam/api-keys/create"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"half-approved","risk":"critical","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/iam/api-keys/create\"]}","reason":"A monthly report.","request_id":"9f4eec94-e9db-493f-94fa-4fe4c9f5fc50","risk":"critical","sequence":24,"team":"Payments","time":"2026-11-28T00:13:03.407216+00:00"}', '\x28b7163147384c5c5377f4aea2db11f21f0fea30f68166634b9f54a42859daf7'),
	(25, '2026-11-28 00:13:03.508635+00', 'request.approval_given', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '9f4eec94-e9db-493f-94fa-4fe4c9f5fc50', 'Payments', 'critical', '{"allow":["/twilio/iam/api-keys/create"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.approval_given","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"3a6db18e86d47b393d3505b6591538a3b2fc2ece58fc1a57beee0abfd82e6545","needed":2},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/iam/api-keys/create\"]}","reason":"","request_id":"9f4eec94-e9db-493f-94fa-4fe4c9f5fc50","risk":"critical","sequence":25,"team":"Payments","time":"2026-11-28T00:13:03.508635+00:00"}', '\x5331333ff5e0a9acf5dd77c0762ff0c8811e89fc7aed33d011a820fd17d74a9e'),
	(26, '2026-11-28 00:13:03.556808+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '10dcebe7-d42a-4078-9b0a-76626a3b7659', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"approved","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"10dcebe7-d42a-4078-9b0a-76626a3b7659","risk":"low","sequence":26,"team":"Payments","time":"2026-11-28T00:13:03.556808+00:00"}', '\x90693c2a6108ef7116b7a866c8515fa097e1e601363b0b847d0d87b7172181dc'),
	(27, '2026-11-28 00:13:03.635579+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '10dcebe7-d42a-4078-9b0a-76626a3b7659', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"b794d29ca41e0717ba466f76890af19ebc28bade410465db972db66f63a14cc9","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"10dcebe7-d42a-4078-9b0a-76626a3b7659","risk":"low","sequence":27,"team":"Payments","time":"2026-11-28T00:13:03.635579+00:00"}', '\xe8fadaf272f8987d2cf7fc60e5a337062fb0639829a87d74c7267455b54e22f0'),
	(28, '2026-11-28 00:13:03.685204+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6', 'Payments', 'high', '{"allow":["/twilio/messaging/messages/list","/twilio/messaging/messages/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"narrowed","risk":"high","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/messaging/messages/list\",\"/twilio/messaging/messages/read\"]}","reason":"A monthly report.","request_id":"5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6","risk":"high","sequence":28,"team":"Payments","time":"2026-11-28T00:13:03.685204+00:00"}', '\xedc62d05f83aa354769b60e82a5c01cb3f7aea1394a84a5fd9501bfbf26f4cd9'),
	(29, '2026-11-28 00:13:03.769423+00', 'request.narrowed', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6', 'Payments', 'high', '{"allow":["/twilio/messaging/messages/list"]}', 'Less is enough.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.narrowed","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"lifetime_from":30,"lifetime_to":30,"removed":["/twilio/messaging/messages/read"]},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/messaging/messages/list\"]}","reason":"Less is enough.","request_id":"5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6","risk":"high","sequence":29,"team":"Payments","time":"2026-11-28T00:13:03.769423+00:00"}', '\x5f866f1e0bdf0bd9380a751b042ebab5b8bc99339735e71384d3286cc0db7bde'),
	(30, '2026-11-28 00:13:03.770905+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6', 'Payments', 'high', '{"allow":["/twilio/messaging/messages/list"]}', 'Less is enough.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"39c18b8eab3934ac36cb26c7065493ab67e0cea36325c4bdd14e589b370fb989","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/messaging/messages/list\"]}","reason":"Less is enough.","request_id":"5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6","risk":"high","sequence":30,"team":"Payments","time":"2026-11-28T00:13:03.770905+00:00"}', '\x6cc8be6288cabe961b789b9cf0e54d50de1e91009ec1bfbe7e46509b9cfbbb3b'),
	(31, '2026-11-28 00:13:03.817565+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '27ae036b-e595-4df5-9213-0a742e8fff71', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"refused","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"27ae036b-e595-4df5-9213-0a742e8fff71","risk":"low","sequence":31,"team":"Payments","time":"2026-11-28T00:13:03.817565+00:00"}', '\xbb415194c542bc1f1ab2e72c370dec8012d34cff62b119844864c2dbb54bd15a'),
	(32, '2026-11-28 00:13:03.90665+00', 'request.rejected', '3', 'Lead Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '27ae036b-e595-4df5-9213-0a742e8fff71', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'Use the shared one.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.rejected","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"capacity":"lead"},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"Use the shared one.","request_id":"27ae036b-e595-4df5-9213-0a742e8fff71","risk":"low","sequence":32,"team":"Payments","time":"2026-11-28T00:13:03.906650+00:00"}', '\xbddb971da23ac6622fedcdea04912006a6d2acee0ec37ec6e66bfe8392008104'),
	(33, '2026-11-28 00:13:03.961934+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '4476062f-9d10-4b6f-ae51-c2621ae7e60c', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"cancelled","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"4476062f-9d10-4b6f-ae51-c2621ae7e60c","risk":"low","sequence":33,"team":"Payments","time":"2026-11-28T00:13:03.961934+00:00"}', '\x3e8388a6c1cb2e4b5c057f3168f5aaeb986cce330a1360845589cce8c1156ccb'),
	(34, '2026-11-28 00:13:03.993534+00', 'request.cancelled', '1', 'Engineer Person', '127.0.0.1', 'AC48e1e559ac077b140657a53654fceb42', '', '4476062f-9d10-4b6f-ae51-c2621ae7e60c', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"AC48e1e559ac077b140657a53654fceb42","action":"request.cancelled","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"4476062f-9d10-4b6f-ae51-c2621ae7e60c","risk":"low","sequence":34,"team":"Payments","time":"2026-11-28T00:13:03.993534+00:00"}', '\xf07fb6367d9401aba9863e68e01ccbe623c034eb0efe02372bc002050c02eba8');


--
-- Data for Name: audit_checkpoint; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_checkpoint VALUES
	(22, '\xcc706ed31fb55814f2c0a92e3dfaa58f160b9fe3d41c421b04b9b100b63bc566', '2026-11-28 00:13:03.300507+00', '127.0.0.1/audit+d70e2d6b+AZvvnKAZdkUfRpGSMvQobh3uR30uvEXv/5SUupGoFOhb', '127.0.0.1/audit
22
zHBu0x+1WBTywKkuPfqljxYLn+PUHEIbBLmxALY7xWY=

— 127.0.0.1/audit 1w4taxFsN+WKuAIkyCtdEYXJbxK4cbr7tvLWuILBNuhCtB+d86zZR+3X/U6ByBXmJy/qNj3WjE8JkL80yVP4CEhiUw0=
');


--
-- Data for Name: audit_eventterm; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_eventterm VALUES
	('family:request', 1),
	('risk:low', 1),
	('team:payments', 1),
	('actor:engineer', 1),
	('actor:person', 1),
	('actor:engineer person', 1),
	('actor:#1', 1),
	('address:127.', 1),
	('address:127.0.', 1),
	('address:127.0.0.', 1),
	('address:127.0.0.1', 1),
	('permission:/twilio/billing/', 1),
	('permission:/twilio/billing/usage/', 1),
	('permission:/twilio/billing/usage/read', 1),
	('text:a', 1),
	('text:monthly', 1),
	('text:report', 1),
	('text:fresh', 1),
	('text:payments', 1),
	('text:30', 1),
	('text:low', 1),
	('family:request', 2),
	('risk:low', 2),
	('team:payments', 2),
	('actor:lead', 2),
	('actor:person', 2),
	('actor:lead person', 2),
	('actor:#3', 2),
	('address:127.', 2),
	('address:127.0.', 2),
	('address:127.0.0.', 2),
	('address:127.0.0.1', 2),
	('permission:/twilio/billing/', 2),
	('permission:/twilio/billing/usage/', 2),
	('permission:/twilio/billing/usage/read', 2),
	('text:lead', 2),
	('text:1', 2),
	('text:f2002537e663167bfc0d4f3b2787486dc3483e23e7d3e0c4e56e63f3d9f287c9', 2),
	('family:key', 3),
	('risk:low', 3),
	('team:payments', 3),
	('actor:engineer', 3),
	('actor:person', 3),
	('actor:engineer person', 3),
	('actor:#1', 3),
	('address:127.', 3),
	('address:127.0.', 3),
	('address:127.0.0.', 3),
	('address:127.0.0.1', 3),
	('permission:/twilio/billing/', 3),
	('permission:/twilio/billing/usage/', 3),
	('permission:/twilio/billing/usage/read', 3),
	('text:ha2lirtuqbjq', 3),
	('text:1', 3),
	('family:key', 4),
	('risk:low', 4),
	('team:payments', 4),
	('actor:engineer', 4),
	('actor:person', 4),
	('actor:engineer person', 4),
	('actor:#1', 4),
	('address:127.', 4),
	('address:127.0.', 4),
	('address:127.0.0.', 4),
	('address:127.0.0.1', 4),
	('permission:/twilio/billing/', 4),
	('permission:/twilio/billing/usage/', 4),
	('permission:/twilio/billing/usage/read', 4),
	('text:ha2lirtuqbjq', 4),
	('text:2026', 4),
	('text:12', 4),
	('text:28t00', 4),
	('text:13', 4),
	('text:02', 4),
	('text:480850', 4),
	('text:00', 4),
	('family:request', 5),
	('risk:low', 5),
	('team:payments', 5),
	('actor:engineer', 5),
	('actor:person', 5),
	('actor:engineer person', 5),
	('actor:#1', 5),
	('address:127.', 5),
	('address:127.0.', 5),
	('address:127.0.0.', 5),
	('address:127.0.0.1', 5),
	('permission:/twilio/billing/', 5),
	('permission:/twilio/billing/usage/', 5),
	('permission:/twilio/billing/usage/read', 5),
	('text:a', 5),
	('text:monthly', 5),
	('text:report', 5),
	('text:confirmed', 5),
	('text:payments', 5),
	('text:30', 5),
	('text:low', 5),
	('family:request', 6),
	('risk:low', 6),
	('team:payments', 6),
	('actor:lead', 6),
	('actor:person', 6),
	('actor:lead person', 6),
	('actor:#3', 6),
	('address:127.', 6),
	('address:127.0.', 6),
	('address:127.0.0.', 6),
	('address:127.0.0.1', 6),
	('permission:/twilio/billing/', 6),
	('permission:/twilio/billing/usage/', 6),
	('permission:/twilio/billing/usage/read', 6),
	('text:lead', 6),
	('text:1', 6),
	('text:eab79ff05820f4b177a2c5ea6fff853413b4a4cb285c40685f4200f8f73536b0', 6),
	('family:key', 7),
	('risk:low', 7),
	('team:payments', 7),
	('actor:engineer', 7),
	('actor:person', 7),
	('actor:engineer person', 7),
	('actor:#1', 7),
	('address:127.', 7),
	('address:127.0.', 7),
	('address:127.0.0.', 7),
	('address:127.0.0.1', 7),
	('permission:/twilio/billing/', 7),
	('permission:/twilio/billing/usage/', 7),
	('permission:/twilio/billing/usage/read', 7),
	('text:jo2phrrtgeu3', 7),
	('text:1', 7),
	('family:key', 8),
	('risk:low', 8),
	('team:payments', 8),
	('actor:engineer', 8),
	('actor:person', 8),
	('actor:engineer person', 8),
	('actor:#1', 8),
	('address:127.', 8),
	('address:127.0.', 8),
	('address:127.0.0.', 8),
	('address:127.0.0.1', 8),
	('permission:/twilio/billing/', 8),
	('permission:/twilio/billing/usage/', 8),
	('permission:/twilio/billing/usage/read', 8),
	('text:jo2phrrtgeu3', 8),
	('text:2026', 8),
	('text:12', 8),
	('text:28t00', 8),
	('text:13', 8),
	('text:02', 8),
	('text:681336', 8),
	('text:00', 8),
	('family:request', 9),
	('risk:low', 9),
	('team:payments', 9),
	('actor:engineer', 9),
	('actor:person', 9),
	('actor:engineer person', 9),
	('actor:#1', 9),
	('address:127.', 9),
	('address:127.0.', 9),
	('address:127.0.0.', 9),
	('address:127.0.0.1', 9),
	('permission:/twilio/billing/', 9),
	('permission:/twilio/billing/usage/', 9),
	('permission:/twilio/billing/usage/read', 9),
	('text:a', 9),
	('text:monthly', 9),
	('text:report', 9),
	('text:retiring', 9),
	('text:payments', 9),
	('text:30', 9),
	('text:low', 9),
	('family:request', 10),
	('risk:low', 10),
	('team:payments', 10),
	('actor:lead', 10),
	('actor:person', 10),
	('actor:lead person', 10),
	('actor:#3', 10),
	('address:127.', 10),
	('address:127.0.', 10),
	('address:127.0.0.', 10),
	('address:127.0.0.1', 10),
	('permission:/twilio/billing/', 10),
	('permission:/twilio/billing/usage/', 10),
	('permission:/twilio/billing/usage/read', 10),
	('text:lead', 10),
	('text:1', 10),
	('text:c3dacdd57f6f8f2c921f471bee198f70bee63d8d52ca5e474de3041e1a21b614', 10),
	('family:key', 11),
	('risk:low', 11),
	('team:payments', 11),
	('actor:engineer', 11),
	('actor:person', 11),
	('actor:engineer person', 11),
	('actor:#1', 11),
	('address:127.', 11),
	('address:127.0.', 11),
	('address:127.0.0.', 11),
	('address:127.0.0.1', 11),
	('permission:/twilio/billing/', 11),
	('permission:/twilio/billing/usage/', 11),
	('permission:/twilio/billing/usage/read', 11),
	('text:kqmambrkzlun', 11),
	('text:1', 11),
	('family:key', 12),
	('risk:low', 12),
	('team:payments', 12),
	('actor:engineer', 12),
	('actor:person', 12),
	('actor:engineer person', 12),
	('actor:#1', 12),
	('address:127.', 12),
	('address:127.0.', 12),
	('address:127.0.0.', 12),
	('address:127.0.0.1', 12),
	('permission:/twilio/billing/', 12),
	('permission:/twilio/billing/usage/', 12),
	('permission:/twilio/billing/usage/read', 12),
	('text:kqmambrkzlun', 12),
	('text:2026', 12),
	('text:12', 12),
	('text:28t00', 12),
	('text:13', 12),
	('text:02', 12),
	('text:977409', 12),
	('text:00', 12),
	('family:request', 13),
	('risk:low', 13),
	('team:payments', 13),
	('actor:engineer', 13),
	('actor:person', 13),
	('actor:engineer person', 13),
	('actor:#1', 13),
	('address:127.', 13),
	('address:127.0.', 13),
	('address:127.0.0.', 13),
	('address:127.0.0.1', 13),
	('permission:/twilio/billing/', 13),
	('permission:/twilio/billing/usage/', 13),
	('permission:/twilio/billing/usage/read', 13),
	('text:a', 13),
	('text:monthly', 13),
	('text:report', 13),
	('text:revoked', 13),
	('text:payments', 13),
	('text:30', 13),
	('text:low', 13),
	('family:request', 14),
	('risk:low', 14),
	('team:payments', 14),
	('actor:lead', 14),
	('actor:person', 14),
	('actor:lead person', 14),
	('actor:#3', 14),
	('address:127.', 14),
	('address:127.0.', 14),
	('address:127.0.0.', 14),
	('address:127.0.0.1', 14),
	('permission:/twilio/billing/', 14),
	('permission:/twilio/billing/usage/', 14),
	('permission:/twilio/billing/usage/read', 14),
	('text:lead', 14),
	('text:1', 14),
	('text:9eefda91e37d02335b7ad572fcf76c7762b11e271e3988212ba9c1a120119891', 14),
	('family:key', 15),
	('risk:low', 15),
	('team:payments', 15),
	('actor:engineer', 15),
	('actor:person', 15),
	('actor:engineer person', 15),
	('actor:#1', 15),
	('address:127.', 15),
	('address:127.0.', 15),
	('address:127.0.0.', 15),
	('address:127.0.0.1', 15),
	('permission:/twilio/billing/', 15),
	('permission:/twilio/billing/usage/', 15),
	('permission:/twilio/billing/usage/read', 15),
	('text:e3tzxgnjcqjq', 15),
	('text:1', 15),
	('family:key', 16),
	('risk:low', 16),
	('team:payments', 16),
	('actor:engineer', 16),
	('actor:person', 16),
	('actor:engineer person', 16),
	('actor:#1', 16),
	('address:127.', 16),
	('address:127.0.', 16),
	('address:127.0.0.', 16),
	('address:127.0.0.1', 16),
	('permission:/twilio/billing/', 16),
	('permission:/twilio/billing/usage/', 16),
	('permission:/twilio/billing/usage/read', 16),
	('text:e3tzxgnjcqjq', 16),
	('text:2026', 16),
	('text:12', 16),
	('text:28t00', 16),
	('text:13', 16),
	('text:03', 16),
	('text:163336', 16),
	('text:00', 16),
	('family:key', 17),
	('risk:low', 17),
	('team:payments', 17),
	('actor:engineer', 17),
	('actor:person', 17),
	('actor:engineer person', 17),
	('actor:#1', 17),
	('address:127.', 17),
	('address:127.0.', 17),
	('address:127.0.0.', 17),
	('address:127.0.0.1', 17),
	('permission:/twilio/billing/', 17),
	('permission:/twilio/billing/usage/', 17),
	('permission:/twilio/billing/usage/read', 17),
	('family:key', 18),
	('risk:low', 18),
	('team:payments', 18),
	('actor:engineer', 18),
	('actor:person', 18),
	('actor:engineer person', 18),
	('actor:#1', 18),
	('address:127.', 18),
	('address:127.0.', 18),
	('address:127.0.0.', 18),
	('address:127.0.0.1', 18),
	('permission:/twilio/billing/', 18),
	('permission:/twilio/billing/usage/', 18),
	('permission:/twilio/billing/usage/read', 18),
	('text:xp7dqj3oyhwq', 18),
	('text:2', 18),
	('text:24', 18),
	('family:key', 19),
	('risk:low', 19),
	('team:payments', 19),
	('actor:engineer', 19),
	('actor:person', 19),
	('actor:engineer person', 19),
	('actor:#1', 19),
	('address:127.', 19),
	('address:127.0.', 19),
	('address:127.0.0.', 19),
	('address:127.0.0.1', 19),
	('permission:/twilio/billing/', 19),
	('permission:/twilio/billing/usage/', 19),
	('permission:/twilio/billing/usage/read', 19),
	('text:sk45e4c9919a3ec2a94eee6cf5f22349eb', 19),
	('text:2026', 19),
	('text:11', 19),
	('text:29t00', 19),
	('text:13', 19),
	('text:03', 19),
	('text:248944', 19),
	('text:00', 19),
	('family:key', 20),
	('risk:low', 20),
	('team:payments', 20),
	('actor:engineer', 20),
	('actor:person', 20),
	('actor:engineer person', 20),
	('actor:#1', 20),
	('address:127.', 20),
	('address:127.0.', 20),
	('address:127.0.0.', 20),
	('address:127.0.0.1', 20),
	('permission:/twilio/billing/', 20),
	('permission:/twilio/billing/usage/', 20),
	('permission:/twilio/billing/usage/read', 20),
	('text:sk2c5c8581f72fba9b6d1bdcd6d92d1e85', 20),
	('text:xp7dqj3oyhwq', 20),
	('text:2026', 20),
	('text:12', 20),
	('text:28t00', 20),
	('text:13', 20),
	('text:02', 20),
	('text:977409', 20),
	('text:00', 20),
	('family:key', 21),
	('risk:low', 21),
	('team:payments', 21),
	('actor:engineer', 21),
	('actor:person', 21),
	('actor:engineer person', 21),
	('actor:#1', 21),
	('address:127.', 21),
	('address:127.0.', 21),
	('address:127.0.0.', 21),
	('address:127.0.0.1', 21),
	('permission:/twilio/billing/', 21),
	('permission:/twilio/billing/usage/', 21),
	('permission:/twilio/billing/usage/read', 21),
	('text:no', 21),
	('text:longer', 21),
	('text:needed', 21),
	('family:key', 22),
	('risk:low', 22),
	('team:payments', 22),
	('actor:engineer', 22),
	('actor:person', 22),
	('actor:engineer person', 22),
	('actor:#1', 22),
	('address:127.', 22),
	('address:127.0.', 22),
	('address:127.0.0.', 22),
	('address:127.0.0.1', 22),
	('permission:/twilio/billing/', 22),
	('permission:/twilio/billing/usage/', 22),
	('permission:/twilio/billing/usage/read', 22),
	('text:no', 22),
	('text:longer', 22),
	('text:needed', 22),
	('family:request', 23),
	('risk:low', 23),
	('team:payments', 23),
	('actor:engineer', 23),
	('actor:person', 23),
	('actor:engineer person', 23),
	('actor:#1', 23),
	('address:127.', 23),
	('address:127.0.', 23),
	('address:127.0.0.', 23),
	('address:127.0.0.1', 23),
	('permission:/twilio/billing/', 23),
	('permission:/twilio/billing/usage/', 23),
	('permission:/twilio/billing/usage/read', 23),
	('text:a', 23),
	('text:monthly', 23),
	('text:report', 23),
	('text:waits', 23),
	('text:payments', 23),
	('text:30', 23),
	('text:low', 23),
	('family:request', 24),
	('risk:critical', 24),
	('team:payments', 24),
	('actor:engineer', 24),
	('actor:person', 24),
	('actor:engineer person', 24),
	('actor:#1', 24),
	('address:127.', 24),
	('address:127.0.', 24),
	('address:127.0.0.', 24),
	('address:127.0.0.1', 24),
	('permission:/twilio/iam/', 24),
	('permission:/twilio/iam/api-keys/', 24),
	('permission:/twilio/iam/api-keys/create', 24),
	('text:a', 24),
	('text:monthly', 24),
	('text:report', 24),
	('text:half', 24),
	('text:approved', 24),
	('text:payments', 24),
	('text:30', 24),
	('text:critical', 24),
	('family:request', 25),
	('risk:critical', 25),
	('team:payments', 25),
	('actor:lead', 25),
	('actor:person', 25),
	('actor:lead person', 25),
	('actor:#3', 25),
	('address:127.', 25),
	('address:127.0.', 25),
	('address:127.0.0.', 25),
	('address:127.0.0.1', 25),
	('permission:/twilio/iam/', 25),
	('permission:/twilio/iam/api-keys/', 25),
	('permission:/twilio/iam/api-keys/create', 25),
	('text:lead', 25),
	('text:1', 25),
	('text:2', 25),
	('text:3a6db18e86d47b393d3505b6591538a3b2fc2ece58fc1a57beee0abfd82e6545', 25),
	('family:request', 26),
	('risk:low', 26),
	('team:payments', 26),
	('actor:engineer', 26),
	('actor:person', 26),
	('actor:engineer person', 26),
	('actor:#1', 26),
	('address:127.', 26),
	('address:127.0.', 26),
	('address:127.0.0.', 26),
	('address:127.0.0.1', 26),
	('permission:/twilio/billing/', 26),
	('permission:/twilio/billing/usage/', 26),
	('permission:/twilio/billing/usage/read', 26),
	('text:a', 26),
	('text:monthly', 26),
	('text:report', 26),
	('text:approved', 26),
	('text:payments', 26),
	('text:30', 26),
	('text:low', 26),
	('family:request', 27),
	('risk:low', 27),
	('team:payments', 27),
	('actor:lead', 27),
	('actor:person', 27),
	('actor:lead person', 27),
	('actor:#3', 27),
	('address:127.', 27),
	('address:127.0.', 27),
	('address:127.0.0.', 27),
	('address:127.0.0.1', 27),
	('permission:/twilio/billing/', 27),
	('permission:/twilio/billing/usage/', 27),
	('permission:/twilio/billing/usage/read', 27),
	('text:lead', 27),
	('text:1', 27),
	('text:b794d29ca41e0717ba466f76890af19ebc28bade410465db972db66f63a14cc9', 27),
	('family:request', 28),
	('risk:high', 28),
	('team:payments', 28),
	('actor:engineer', 28),
	('actor:person', 28),
	('actor:engineer person', 28),
	('actor:#1', 28),
	('address:127.', 28),
	('address:127.0.', 28),
	('address:127.0.0.', 28),
	('address:127.0.0.1', 28),
	('permission:/twilio/messaging/', 28),
	('permission:/twilio/messaging/messages/', 28),
	('permission:/twilio/messaging/messages/list', 28),
	('permission:/twilio/messaging/messages/read', 28),
	('text:a', 28),
	('text:monthly', 28),
	('text:report', 28),
	('text:narrowed', 28),
	('text:payments', 28),
	('text:30', 28),
	('text:high', 28),
	('family:request', 29),
	('risk:high', 29),
	('team:payments', 29),
	('actor:lead', 29),
	('actor:person', 29),
	('actor:lead person', 29),
	('actor:#3', 29),
	('address:127.', 29),
	('address:127.0.', 29),
	('address:127.0.0.', 29),
	('address:127.0.0.1', 29),
	('permission:/twilio/messaging/', 29),
	('permission:/twilio/messaging/messages/', 29),
	('permission:/twilio/messaging/messages/list', 29),
	('text:less', 29),
	('text:is', 29),
	('text:enough', 29),
	('text:twilio', 29),
	('text:messaging', 29),
	('text:messages', 29),
	('text:read', 29),
	('text:30', 29),
	('family:request', 30),
	('risk:high', 30),
	('team:payments', 30),
	('actor:lead', 30),
	('actor:person', 30),
	('actor:lead person', 30),
	('actor:#3', 30),
	('address:127.', 30),
	('address:127.0.', 30),
	('address:127.0.0.', 30),
	('address:127.0.0.1', 30),
	('permission:/twilio/messaging/', 30),
	('permission:/twilio/messaging/messages/', 30),
	('permission:/twilio/messaging/messages/list', 30),
	('text:less', 30),
	('text:is', 30),
	('text:enough', 30),
	('text:lead', 30),
	('text:1', 30),
	('text:39c18b8eab3934ac36cb26c7065493ab67e0cea36325c4bdd14e589b370fb989', 30),
	('family:request', 31),
	('risk:low', 31),
	('team:payments', 31),
	('actor:engineer', 31),
	('actor:person', 31),
	('actor:engineer person', 31),
	('actor:#1', 31),
	('address:127.', 31),
	('address:127.0.', 31),
	('address:127.0.0.', 31),
	('address:127.0.0.1', 31),
	('permission:/twilio/billing/', 31),
	('permission:/twilio/billing/usage/', 31),
	('permission:/twilio/billing/usage/read', 31),
	('text:a', 31),
	('text:monthly', 31),
	('text:report', 31),
	('text:refused', 31),
	('text:payments', 31),
	('text:30', 31),
	('text:low', 31),
	('family:request', 32),
	('risk:low', 32),
	('team:payments', 32),
	('actor:lead', 32),
	('actor:person', 32),
	('actor:lead person', 32),
	('actor:#3', 32),
	('address:127.', 32),
	('address:127.0.', 32),
	('address:127.0.0.', 32),
	('address:127.0.0.1', 32),
	('permission:/twilio/billing/', 32),
	('permission:/twilio/billing/usage/', 32),
	('permission:/twilio/billing/usage/read', 32),
	('text:use', 32),
	('text:the', 32),
	('text:shared', 32),
	('text:one', 32),
	('text:lead', 32),
	('family:request', 33),
	('risk:low', 33),
	('team:payments', 33),
	('actor:engineer', 33),
	('actor:person', 33),
	('actor:engineer person', 33),
	('actor:#1', 33),
	('address:127.', 33),
	('address:127.0.', 33),
	('address:127.0.0.', 33),
	('address:127.0.0.1', 33),
	('permission:/twilio/billing/', 33),
	('permission:/twilio/billing/usage/', 33),
	('permission:/twilio/billing/usage/read', 33),
	('text:a', 33),
	('text:monthly', 33),
	('text:report', 33),
	('text:cancelled', 33),
	('text:payments', 33),
	('text:30', 33),
	('text:low', 33),
	('family:request', 34),
	('risk:low', 34),
	('team:payments', 34),
	('actor:engineer', 34),
	('actor:person', 34),
	('actor:engineer person', 34),
	('actor:#1', 34),
	('address:127.', 34),
	('address:127.0.', 34),
	('address:127.0.0.', 34),
	('address:127.0.0.1', 34),
	('permission:/twilio/billing/', 34),
	('permission:/twilio/billing/usage/', 34),
	('permission:/twilio/billing/usage/read', 34);


--
-- Data for Name: audit_node; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_node VALUES
	(1, 0, '\xdd5bf94fbbd0cf82ee25fca5247a52d54cb567d99bc094a8dc20b08710f88bc2'),
	(1, 1, '\xa1d40a36d4cddc0c6c106b3d13e30a787660900914f474bb9350fd62c9c61570'),
	(2, 0, '\xe44220f51d590db137e198b213a270c602f29711214af05d033b726eca60f1b2'),
	(1, 2, '\xb6d0814cc3043c31493cc715edb40328b6c755648b1ccd2b79de57370931d8b8'),
	(1, 3, '\x056ee0126bccb5be1d0178247f5043d9ad0062f6ce2137df8ee8359975a27c9a'),
	(2, 1, '\x132ffec14e4d6f6d06e86a33c6aba9a48420ac2caddd814faa17eeaadd30dcf7'),
	(3, 0, '\x2f9d4b508d114805eac76583a3f2bb791fb22aa128108c47309e9565bcbcfa74'),
	(1, 4, '\x4bde55c046b0ff2fd7a5ee69dd935c6e753edd04c8bb723ed1201cf77295e5fb'),
	(1, 5, '\x57e05c2a652602c21123df3f74f3239c2bb4735f73de89d8cdfce4d6d6cf381c'),
	(2, 2, '\xd0aa62cfad626202e8b6fbb2f4163f78d6e2005639791f42204ca7770fdbee10'),
	(1, 6, '\xc8f382028a8fd823af5bf36b22d9370846e280aecac0419fcf4802a3d984c91e'),
	(1, 7, '\xd0de8d8993b2d8981e61dd02c5466843cbfa46c6316dba77610237d6bd35c485'),
	(2, 3, '\xfa5843a3d867ee7ac77f3c4b745231536145dbc7cb0a5df80bb140e62daf78a9'),
	(3, 1, '\xbc5bd59cd3e16b07bd7789e5adccabd2fd88e722edde3cc0d064cf2306d6b3d3'),
	(4, 0, '\x81628b4c95afe808af69207796c0bc83609bb9a4c180abd7e638fc6c70db4aa2'),
	(1, 8, '\x509040a53aa864ae30136d7d84ff6ec8487802902fc7113a2ff8059589fa93ab'),
	(1, 9, '\xd1403170554b44c0ab491b7913d3103aed6467394f0289001b9252687c5fa186'),
	(2, 4, '\xb4484d1f176651ebe6c79e4da8dcbd82a00fad5236ef6bb2158e68e53eeab256'),
	(1, 10, '\x4d91207fdb794051aa49553428e2f4ff570117ef0504dc8253a7b739ff004e8a'),
	(1, 11, '\xbfa6250d0ca91f58dc31999d50cc7f582c6978a21d41bb88c674b4b0d174821e'),
	(2, 5, '\x7ea8bb608c51fba524193f4f973ddf0b60ae461f775cc378de4f753ce7af22c0'),
	(3, 2, '\x03355a5e2223b53be07eafa21845225f7e13d3d987bc281fac3506e1e9af533e'),
	(1, 12, '\xb9a1d39588456305ded3bfe7c24d530ecc8db3229c13f4d375dcdb680aadcdfd'),
	(1, 13, '\x8bd7f2b00792611c121099d6ef39221c835610032f1d1f0eed5c3d180e19dc98'),
	(2, 6, '\x2abe6d6755eabc383d83ae23cd9aad0825358b468813b132061561373af8f1b8'),
	(1, 14, '\xda9eb32b43590c5a7432b23bfbb8edd0735034926ed061e0f0aae268050fb8d9'),
	(1, 15, '\x50791264ec4514ec29777596f840b39342db1f8aa0125d5e48fb6371bea0f7d4'),
	(2, 7, '\xf428eae91429fa51de25a077fe8d8bb1695535fbd2b8c7ffa74889b1e218ae2c'),
	(3, 3, '\x18af6cc7eb8047914e7cb21964f06c255f8ad9b3aaabfd910ef5fcf9d1592ae3'),
	(4, 1, '\x26c2b96b61cbb0056d429b7b9f666565e52b0b7050f3bd5723f2b554b68a76ae'),
	(5, 0, '\xeb6f4a833296761751f51fcfa217a2118516d6a4467baea6156cd897345d78dd'),
	(1, 16, '\xab82d9b2e19d525f8685a06f29460c390d0a142229914cc68c488a58e14163f3');


--
-- Data for Name: auth_group; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.auth_group VALUES
	(1, 'Engineers'),
	(2, 'Team leads'),
	(3, 'Security');


--
-- Data for Name: auth_group_permissions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: auth_permission; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.auth_permission VALUES
	(1, 'Can add log entry', 1, 'add_logentry'),
	(2, 'Can change log entry', 1, 'change_logentry'),
	(3, 'Can delete log entry', 1, 'delete_logentry'),
	(4, 'Can view log entry', 1, 'view_logentry'),
	(5, 'Can add content type', 2, 'add_contenttype'),
	(6, 'Can change content type', 2, 'change_contenttype'),
	(7, 'Can delete content type', 2, 'delete_contenttype'),
	(8, 'Can view content type', 2, 'view_contenttype'),
	(9, 'Can add session', 3, 'add_session'),
	(10, 'Can change session', 3, 'change_session'),
	(11, 'Can delete session', 3, 'delete_session'),
	(12, 'Can view session', 3, 'view_session'),
	(13, 'Can add email address', 4, 'add_emailaddress'),
	(14, 'Can change email address', 4, 'change_emailaddress'),
	(15, 'Can delete email address', 4, 'delete_emailaddress'),
	(16, 'Can view email address', 4, 'view_emailaddress'),
	(17, 'Can add email confirmation', 5, 'add_emailconfirmation'),
	(18, 'Can change email confirmation', 5, 'change_emailconfirmation'),
	(19, 'Can delete email confirmation', 5, 'delete_emailconfirmation'),
	(20, 'Can view email confirmation', 5, 'view_emailconfirmation'),
	(21, 'Can add Attachment', 6, 'add_attachment'),
	(22, 'Can change Attachment', 6, 'change_attachment'),
	(23, 'Can delete Attachment', 6, 'delete_attachment'),
	(24, 'Can view Attachment', 6, 'view_attachment'),
	(25, 'Can add Email', 7, 'add_email'),
	(26, 'Can change Email', 7, 'change_email'),
	(27, 'Can delete Email', 7, 'delete_email'),
	(28, 'Can view Email', 7, 'view_email'),
	(29, 'Can add Email Template', 8, 'add_emailtemplate'),
	(30, 'Can change Email Template', 8, 'change_emailtemplate'),
	(31, 'Can delete Email Template', 8, 'delete_emailtemplate'),
	(32, 'Can view Email Template', 8, 'view_emailtemplate'),
	(33, 'Can add Log', 9, 'add_log'),
	(34, 'Can change Log', 9, 'change_log'),
	(35, 'Can delete Log', 9, 'delete_log'),
	(36, 'Can view Log', 9, 'view_log'),
	(37, 'Can add audit checkpoint', 10, 'add_auditcheckpoint'),
	(38, 'Can change audit checkpoint', 10, 'change_auditcheckpoint'),
	(39, 'Can delete audit checkpoint', 10, 'delete_auditcheckpoint'),
	(40, 'Can view audit checkpoint', 10, 'view_auditcheckpoint'),
	(41, 'Can add audit node', 11, 'add_auditnode'),
	(42, 'Can change audit node', 11, 'change_auditnode'),
	(43, 'Can delete audit node', 11, 'delete_auditnode'),
	(44, 'Can view audit node', 11, 'view_auditnode'),
	(45, 'Can add event term', 12, 'add_eventterm'),
	(46, 'Can change event term', 12, 'change_eventterm'),
	(47, 'Can delete event term', 12, 'delete_eventterm'),
	(48, 'Can view event term', 12, 'view_eventterm'),
	(49, 'Can add audit event', 13, 'add_auditevent'),
	(50, 'Can change audit event', 13, 'change_auditevent'),
	(51, 'Can delete audit event', 13, 'delete_auditevent'),
	(52, 'Can view audit event', 13, 'view_auditevent'),
	(53, 'Can add account', 14, 'add_account'),
	(54, 'Can change account', 14, 'change_account'),
	(55, 'Can delete account', 14, 'delete_account'),
	(56, 'Can view account', 14, 'view_account'),
	(57, 'Can add catalogue permission', 15, 'add_cataloguepermission'),
	(58, 'Can change catalogue permission', 15, 'change_cataloguepermission'),
	(59, 'Can delete catalogue permission', 15, 'delete_cataloguepermission'),
	(60, 'Can view catalogue permission', 15, 'view_cataloguepermission'),
	(61, 'Can add notice key', 16, 'add_noticekey'),
	(62, 'Can change notice key', 16, 'change_noticekey'),
	(63, 'Can delete notice key', 16, 'delete_noticekey'),
	(64, 'Can view notice key', 16, 'view_noticekey'),
	(65, 'Can add push position', 17, 'add_pushposition'),
	(66, 'Can change push position', 17, 'change_pushposition'),
	(67, 'Can delete push position', 17, 'delete_pushposition'),
	(68, 'Can view push position', 17, 'view_pushposition'),
	(69, 'Can add reconcile run', 18, 'add_reconcilerun'),
	(70, 'Can change reconcile run', 18, 'change_reconcilerun'),
	(71, 'Can delete reconcile run', 18, 'delete_reconcilerun'),
	(72, 'Can view reconcile run', 18, 'view_reconcilerun'),
	(73, 'Can add sign in', 19, 'add_signin'),
	(74, 'Can change sign in', 19, 'change_signin'),
	(75, 'Can delete sign in', 19, 'delete_signin'),
	(76, 'Can view sign in', 19, 'view_signin'),
	(77, 'Can add team', 20, 'add_team'),
	(78, 'Can change team', 20, 'change_team'),
	(79, 'Can delete team', 20, 'delete_team'),
	(80, 'Can view team', 20, 'view_team'),
	(81, 'Can add access review', 21, 'add_accessreview'),
	(82, 'Can change access review', 21, 'change_accessreview'),
	(83, 'Can delete access review', 21, 'delete_accessreview'),
	(84, 'Can view access review', 21, 'view_accessreview'),
	(85, 'Can add account check', 22, 'add_accountcheck'),
	(86, 'Can change account check', 22, 'change_accountcheck'),
	(87, 'Can delete account check', 22, 'delete_accountcheck'),
	(88, 'Can view account check', 22, 'view_accountcheck'),
	(89, 'Can add api key', 23, 'add_apikey'),
	(90, 'Can change api key', 23, 'change_apikey'),
	(91, 'Can delete api key', 23, 'delete_apikey'),
	(92, 'Can view api key', 23, 'view_apikey'),
	(93, 'Can add catalogue observation', 24, 'add_catalogueobservation'),
	(94, 'Can change catalogue observation', 24, 'change_catalogueobservation'),
	(95, 'Can delete catalogue observation', 24, 'delete_catalogueobservation'),
	(96, 'Can view catalogue observation', 24, 'view_catalogueobservation'),
	(97, 'Can add feed token', 25, 'add_feedtoken'),
	(98, 'Can change feed token', 25, 'change_feedtoken'),
	(99, 'Can delete feed token', 25, 'delete_feedtoken'),
	(100, 'Can view feed token', 25, 'view_feedtoken'),
	(101, 'Can add issuance', 26, 'add_issuance'),
	(102, 'Can change issuance', 26, 'change_issuance'),
	(103, 'Can delete issuance', 26, 'delete_issuance'),
	(104, 'Can view issuance', 26, 'view_issuance'),
	(105, 'Can add key request', 27, 'add_keyrequest'),
	(106, 'Can change key request', 27, 'change_keyrequest'),
	(107, 'Can delete key request', 27, 'delete_keyrequest'),
	(108, 'Can view key request', 27, 'view_keyrequest'),
	(109, 'Can add comment', 28, 'add_comment'),
	(110, 'Can change comment', 28, 'change_comment'),
	(111, 'Can delete comment', 28, 'delete_comment'),
	(112, 'Can view comment', 28, 'view_comment'),
	(113, 'Can add approval', 29, 'add_approval'),
	(114, 'Can change approval', 29, 'change_approval'),
	(115, 'Can delete approval', 29, 'delete_approval'),
	(116, 'Can view approval', 29, 'view_approval'),
	(117, 'Can add narrowing', 30, 'add_narrowing'),
	(118, 'Can change narrowing', 30, 'change_narrowing'),
	(119, 'Can delete narrowing', 30, 'delete_narrowing'),
	(120, 'Can view narrowing', 30, 'view_narrowing'),
	(121, 'Can add probe', 31, 'add_probe'),
	(122, 'Can change probe', 31, 'change_probe'),
	(123, 'Can delete probe', 31, 'delete_probe'),
	(124, 'Can view probe', 31, 'view_probe'),
	(125, 'Can add repeat', 32, 'add_repeat'),
	(126, 'Can change repeat', 32, 'change_repeat'),
	(127, 'Can delete repeat', 32, 'delete_repeat'),
	(128, 'Can view repeat', 32, 'view_repeat'),
	(129, 'Can add reviewed key', 33, 'add_reviewedkey'),
	(130, 'Can change reviewed key', 33, 'change_reviewedkey'),
	(131, 'Can delete reviewed key', 33, 'delete_reviewedkey'),
	(132, 'Can view reviewed key', 33, 'view_reviewedkey'),
	(133, 'Can add delegation', 34, 'add_delegation'),
	(134, 'Can change delegation', 34, 'change_delegation'),
	(135, 'Can delete delegation', 34, 'delete_delegation'),
	(136, 'Can view delegation', 34, 'view_delegation'),
	(137, 'Can add approval rule', 35, 'add_approvalrule'),
	(138, 'Can change approval rule', 35, 'change_approvalrule'),
	(139, 'Can delete approval rule', 35, 'delete_approvalrule'),
	(140, 'Can view approval rule', 35, 'view_approvalrule'),
	(141, 'Can add team membership', 36, 'add_teammembership'),
	(142, 'Can change team membership', 36, 'change_teammembership'),
	(143, 'Can delete team membership', 36, 'delete_teammembership'),
	(144, 'Can view team membership', 36, 'view_teammembership'),
	(145, 'Can add unmanaged key', 37, 'add_unmanagedkey'),
	(146, 'Can change unmanaged key', 37, 'change_unmanagedkey'),
	(147, 'Can delete unmanaged key', 37, 'delete_unmanagedkey'),
	(148, 'Can view unmanaged key', 37, 'view_unmanagedkey'),
	(149, 'Can add webhook', 38, 'add_webhook'),
	(150, 'Can change webhook', 38, 'change_webhook'),
	(151, 'Can delete webhook', 38, 'delete_webhook'),
	(152, 'Can view webhook', 38, 'view_webhook'),
	(153, 'Can add webhook delivery', 39, 'add_webhookdelivery'),
	(154, 'Can change webhook delivery', 39, 'change_webhookdelivery'),
	(155, 'Can delete webhook delivery', 39, 'delete_webhookdelivery'),
	(156, 'Can view webhook delivery', 39, 'view_webhookdelivery'),
	(157, 'Can add permission', 40, 'add_permission'),
	(158, 'Can change permission', 40, 'change_permission'),
	(159, 'Can delete permission', 40, 'delete_permission'),
	(160, 'Can view permission', 40, 'view_permission'),
	(161, 'Can add group', 41, 'add_group'),
	(162, 'Can change group', 41, 'change_group'),
	(163, 'Can delete group', 41, 'delete_group'),
	(164, 'Can view group', 41, 'view_group'),
	(165, 'Can add user', 42, 'add_user'),
	(166, 'Can change user', 42, 'change_user'),
	(167, 'Can delete user', 42, 'delete_user'),
	(168, 'Can view user', 42, 'view_user');


--
-- Data for Name: auth_user; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.auth_user VALUES
	(2, '', NULL, false, 'colleague', 'Colleague', 'Person', '', false, true, '2026-11-28 00:13:02.132051+00'),
	(4, '', NULL, false, 'colead', 'Colead', 'Person', '', false, true, '2026-11-28 00:13:02.137383+00'),
	(5, '', NULL, false, 'engineer2', 'Engineer2', 'Person', '', false, true, '2026-11-28 00:13:02.139935+00'),
	(6, '', NULL, false, 'lead2', 'Lead2', 'Person', '', false, true, '2026-11-28 00:13:02.142357+00'),
	(7, '', NULL, false, 'security', 'Security', 'Person', '', false, true, '2026-11-28 00:13:02.144939+00'),
	(8, '', NULL, false, 'security2', 'Security2', 'Person', '', false, true, '2026-11-28 00:13:02.146495+00'),
	(10, '', NULL, false, 'stranger', 'Stranger', 'Person', '', false, true, '2026-11-28 00:13:02.148518+00'),
	(9, '', NULL, true, 'admin', 'Admin', 'Person', '', true, true, '2026-11-28 00:13:02.148008+00'),
	(3, '', '2026-11-28 00:13:03.82524+00', false, 'lead', 'Lead', 'Person', '', false, true, '2026-11-28 00:13:02.134961+00'),
	(1, '', '2026-11-28 00:13:03.96865+00', false, 'engineer', 'Engineer', 'Person', '', false, true, '2026-11-28 00:13:02.127519+00');


--
-- Data for Name: auth_user_groups; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.auth_user_groups VALUES
	(1, 1, 1),
	(2, 2, 1),
	(3, 3, 2),
	(4, 4, 2),
	(5, 5, 1),
	(6, 6, 2),
	(7, 7, 3),
	(8, 8, 3);


--
-- Data for Name: auth_user_user_permissions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: django_admin_log; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: django_content_type; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.django_content_type VALUES
	(1, 'admin', 'logentry'),
	(2, 'contenttypes', 'contenttype'),
	(3, 'sessions', 'session'),
	(4, 'account', 'emailaddress'),
	(5, 'account', 'emailconfirmation'),
	(6, 'post_office', 'attachment'),
	(7, 'post_office', 'email'),
	(8, 'post_office', 'emailtemplate'),
	(9, 'post_office', 'log'),
	(10, 'audit', 'auditcheckpoint'),
	(11, 'audit', 'auditnode'),
	(12, 'audit', 'eventterm'),
	(13, 'audit', 'auditevent'),
	(14, 'keys_app', 'account'),
	(15, 'keys_app', 'cataloguepermission'),
	(16, 'keys_app', 'noticekey'),
	(17, 'keys_app', 'pushposition'),
	(18, 'keys_app', 'reconcilerun'),
	(19, 'keys_app', 'signin'),
	(20, 'keys_app', 'team'),
	(21, 'keys_app', 'accessreview'),
	(22, 'keys_app', 'accountcheck'),
	(23, 'keys_app', 'apikey'),
	(24, 'keys_app', 'catalogueobservation'),
	(25, 'keys_app', 'feedtoken'),
	(26, 'keys_app', 'issuance'),
	(27, 'keys_app', 'keyrequest'),
	(28, 'keys_app', 'comment'),
	(29, 'keys_app', 'approval'),
	(30, 'keys_app', 'narrowing'),
	(31, 'keys_app', 'probe'),
	(32, 'keys_app', 'repeat'),
	(33, 'keys_app', 'reviewedkey'),
	(34, 'keys_app', 'delegation'),
	(35, 'keys_app', 'approvalrule'),
	(36, 'keys_app', 'teammembership'),
	(37, 'keys_app', 'unmanagedkey'),
	(38, 'keys_app', 'webhook'),
	(39, 'keys_app', 'webhookdelivery'),
	(40, 'auth', 'permission'),
	(41, 'auth', 'group'),
	(42, 'auth', 'user');


--
-- Data for Name: django_migrations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.django_migrations VALUES
	(1, 'contenttypes', '0001_initial', '2026-11-28 00:13:00.149266+00'),
	(2, 'auth', '0001_initial', '2026-11-28 00:13:00.171575+00'),
	(3, 'account', '0001_initial', '2026-11-28 00:13:00.185237+00'),
	(4, 'account', '0002_email_max_length', '2026-11-28 00:13:00.190043+00'),
	(5, 'account', '0003_alter_emailaddress_create_unique_verified_email', '2026-11-28 00:13:00.199476+00'),
	(6, 'account', '0004_alter_emailaddress_drop_unique_email', '2026-11-28 00:13:00.206861+00'),
	(7, 'account', '0005_emailaddress_idx_upper_email', '2026-11-28 00:13:00.212263+00'),
	(8, 'account', '0006_emailaddress_lower', '2026-11-28 00:13:00.21738+00'),
	(9, 'account', '0007_emailaddress_idx_email', '2026-11-28 00:13:00.224675+00'),
	(10, 'account', '0008_emailaddress_unique_primary_email_fixup', '2026-11-28 00:13:00.229581+00'),
	(11, 'account', '0009_emailaddress_unique_primary_email', '2026-11-28 00:13:00.233983+00'),
	(12, 'admin', '0001_initial', '2026-11-28 00:13:00.243455+00'),
	(13, 'admin', '0002_logentry_remove_auto_add', '2026-11-28 00:13:00.247852+00'),
	(14, 'admin', '0003_logentry_add_action_flag_choices', '2026-11-28 00:13:00.252348+00'),
	(15, 'audit', '0001_initial', '2026-11-28 00:13:00.268567+00'),
	(16, 'audit', '0002_append_only', '2026-11-28 00:13:00.277536+00'),
	(17, 'contenttypes', '0002_remove_content_type_name', '2026-11-28 00:13:00.287399+00'),
	(18, 'auth', '0002_alter_permission_name_max_length', '2026-11-28 00:13:00.294058+00'),
	(19, 'auth', '0003_alter_user_email_max_length', '2026-11-28 00:13:00.350504+00'),
	(20, 'auth', '0004_alter_user_username_opts', '2026-11-28 00:13:00.354454+00'),
	(21, 'auth', '0005_alter_user_last_login_null', '2026-11-28 00:13:00.358262+00'),
	(22, 'auth', '0006_require_contenttypes_0002', '2026-11-28 00:13:00.358843+00'),
	(23, 'auth', '0007_alter_validators_add_error_messages', '2026-11-28 00:13:00.362047+00'),
	(24, 'auth', '0008_alter_user_username_max_length', '2026-11-28 00:13:00.366988+00'),
	(25, 'auth', '0009_alter_user_last_name_max_length', '2026-11-28 00:13:00.370627+00'),
	(26, 'auth', '0010_alter_group_name_max_length', '2026-11-28 00:13:00.375227+00'),
	(27, 'auth', '0011_update_proxy_permissions', '2026-11-28 00:13:00.383015+00'),
	(28, 'auth', '0012_alter_user_first_name_max_length', '2026-11-28 00:13:00.38866+00'),
	(29, 'keys_app', '0001_initial', '2026-11-28 00:13:01.5851+00'),
	(30, 'keys_app', '0002_database_rules', '2026-11-28 00:13:01.608929+00'),
	(31, 'keys_app', '0003_groups', '2026-11-28 00:13:01.630075+00'),
	(32, 'post_office', '0001_initial', '2026-11-28 00:13:01.662116+00'),
	(33, 'post_office', '0002_add_i18n_and_backend_alias', '2026-11-28 00:13:01.845466+00'),
	(34, 'post_office', '0003_longer_subject', '2026-11-28 00:13:01.852089+00'),
	(35, 'post_office', '0004_auto_20160607_0901', '2026-11-28 00:13:01.900222+00'),
	(36, 'post_office', '0005_auto_20170515_0013', '2026-11-28 00:13:01.907562+00'),
	(37, 'post_office', '0006_attachment_mimetype', '2026-11-28 00:13:01.912557+00'),
	(38, 'post_office', '0007_auto_20170731_1342', '2026-11-28 00:13:01.914858+00'),
	(39, 'post_office', '0008_attachment_headers', '2026-11-28 00:13:01.918609+00'),
	(40, 'post_office', '0009_requeued_mode', '2026-11-28 00:13:01.928707+00'),
	(41, 'post_office', '0010_message_id', '2026-11-28 00:13:01.951085+00'),
	(42, 'post_office', '0011_models_help_text', '2026-11-28 00:13:01.962118+00'),
	(43, 'post_office', '0012_alter_attachment_file_storage', '2026-11-28 00:13:01.966085+00'),
	(44, 'post_office', '0013_email_recipient_delivery_status_alter_log_status', '2026-11-28 00:13:01.973167+00'),
	(45, 'post_office', '0014_alter_email_recipient_delivery_status_and_more', '2026-11-28 00:13:01.979554+00'),
	(46, 'sessions', '0001_initial', '2026-11-28 00:13:01.984738+00');


--
-- Data for Name: django_session; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_accessreview; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_account; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_account VALUES
	('[]', '[]', '', 'AC48e1e559ac077b140657a53654fceb42', 'Shop', 'staging', NULL, 1, true, 'SK1be51c0b21bbaa679e6da65b5e2ae903', 'not in this dump', '2026-11-28 00:13:02.122987+00'),
	('[]', '[]', '', 'AC00000000000000000000000000000002', 'Helpdesk', 'staging', NULL, 1, true, 'SK00000000000000000000000000000000', 'not in this dump', '2026-11-28 00:13:02.125838+00');


--
-- Data for Name: keys_app_account_teams; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_account_teams VALUES
	(1, 'AC48e1e559ac077b140657a53654fceb42', 1),
	(2, 'AC00000000000000000000000000000002', 2);


--
-- Data for Name: keys_app_accountcheck; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_apikey; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_apikey VALUES
	('SK301f5125f4cf62378959046bee6367a2', 'fresh [kp:HA2LIRTUQBJQ]', '{"allow":["/twilio/billing/usage/read"]}', 'active', '2026-11-28 00:13:02.48085+00', '2026-12-28 00:13:02.48085+00', NULL, NULL, NULL, NULL, '', NULL, '2026-11-28 00:13:02.48085+00', '', NULL, NULL, NULL, 'AC48e1e559ac077b140657a53654fceb42', 1, 1, '3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef', 1),
	('SKbb33ba5dc4f55e5b68bffd9535315cd7', 'confirmed [kp:JO2PHRRTGEU3]', '{"allow":["/twilio/billing/usage/read"]}', 'active', '2026-11-28 00:13:02.681336+00', '2026-12-28 00:13:02.681336+00', '2026-11-28 00:13:03.202314+00', NULL, NULL, NULL, '', NULL, '2026-11-28 00:13:02.681336+00', '', NULL, NULL, NULL, 'AC48e1e559ac077b140657a53654fceb42', 1, 2, 'e75699f2-eae9-4f4a-a000-8c03cb58d946', 1),
	('SK2c5c8581f72fba9b6d1bdcd6d92d1e85', 'retiring [kp:KQMAMBRKZLUN]', '{"allow":["/twilio/billing/usage/read"]}', 'active', '2026-11-28 00:13:02.977409+00', '2026-12-28 00:13:02.977409+00', NULL, '2026-11-29 00:13:03.248944+00', NULL, NULL, '', NULL, '2026-11-28 00:13:02.977409+00', '', NULL, NULL, NULL, 'AC48e1e559ac077b140657a53654fceb42', 1, 3, 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 1),
	('SK45e4c9919a3ec2a94eee6cf5f22349eb', 'retiring [kp:XP7DQJ3OYHWQ]', '{"allow":["/twilio/billing/usage/read"]}', 'active', '2026-11-28 00:13:03.250169+00', '2026-12-28 00:13:02.977409+00', NULL, NULL, NULL, NULL, '', NULL, '2026-11-28 00:13:03.250169+00', '', NULL, NULL, NULL, 'AC48e1e559ac077b140657a53654fceb42', 1, 5, 'bf1ace25-7707-453b-8830-5a2de7d23d0d', 1),
	('SK1c8527310829a18ae8cda5b9271de317', 'revoked [kp:E3TZXGNJCQJQ]', '{"allow":["/twilio/billing/usage/read"]}', 'revoked', '2026-11-28 00:13:03.163336+00', '2026-12-28 00:13:03.163336+00', NULL, NULL, NULL, '2026-11-28 00:13:03.287554+00', 'No longer needed.', NULL, '2026-11-28 00:13:03.163336+00', '', NULL, NULL, NULL, 'AC48e1e559ac077b140657a53654fceb42', 1, 4, '938cc3a5-6a07-47d3-a1c9-396c120bb097', 1);


--
-- Data for Name: keys_app_approval; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_approval VALUES
	(1, 'lead', '', 'approved', 1, 'f2002537e663167bfc0d4f3b2787486dc3483e23e7d3e0c4e56e63f3d9f287c9', '', '2026-11-28 00:13:02.413595+00', NULL, '', 3, 3, NULL, '3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef'),
	(2, 'lead', '', 'approved', 1, 'eab79ff05820f4b177a2c5ea6fff853413b4a4cb285c40685f4200f8f73536b0', '', '2026-11-28 00:13:02.612843+00', NULL, '', 3, 3, NULL, 'e75699f2-eae9-4f4a-a000-8c03cb58d946'),
	(3, 'lead', '', 'approved', 1, 'c3dacdd57f6f8f2c921f471bee198f70bee63d8d52ca5e474de3041e1a21b614', '', '2026-11-28 00:13:02.918783+00', NULL, '', 3, 3, NULL, 'bf1ace25-7707-453b-8830-5a2de7d23d0d'),
	(4, 'lead', '', 'approved', 1, '9eefda91e37d02335b7ad572fcf76c7762b11e271e3988212ba9c1a120119891', '', '2026-11-28 00:13:03.105311+00', NULL, '', 3, 3, NULL, '938cc3a5-6a07-47d3-a1c9-396c120bb097'),
	(5, 'lead', '', 'approved', 1, '3a6db18e86d47b393d3505b6591538a3b2fc2ece58fc1a57beee0abfd82e6545', '', '2026-11-28 00:13:03.482832+00', NULL, '', 3, 3, NULL, '9f4eec94-e9db-493f-94fa-4fe4c9f5fc50'),
	(6, 'lead', '', 'approved', 1, 'b794d29ca41e0717ba466f76890af19ebc28bade410465db972db66f63a14cc9', '', '2026-11-28 00:13:03.630233+00', NULL, '', 3, 3, NULL, '10dcebe7-d42a-4078-9b0a-76626a3b7659'),
	(7, 'lead', '', 'approved', 1, '39c18b8eab3934ac36cb26c7065493ab67e0cea36325c4bdd14e589b370fb989', 'Less is enough.', '2026-11-28 00:13:03.763714+00', NULL, '', 3, 3, NULL, '5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6'),
	(8, 'lead', '', 'rejected', 1, 'ffc7d584f5fdb2dff60951df04be6fbb7e3745b653f6e6c17f7c1ff209d453c2', 'Use the shared one.', '2026-11-28 00:13:03.900662+00', NULL, '', 3, 3, NULL, '27ae036b-e595-4df5-9213-0a742e8fff71');


--
-- Data for Name: keys_app_approvalrule; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_catalogueobservation; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_cataloguepermission; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_comment; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_delegation; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_feedtoken; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_issuance; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_issuance VALUES
	(1, 1, 'HA2LIRTUQBJQ', 'issued', '2026-11-28 00:13:02.464249+00', '2026-11-28 00:13:02.478092+00', NULL, '', 'SK301f5125f4cf62378959046bee6367a2', '', 0, NULL, NULL, '3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef'),
	(2, 1, 'JO2PHRRTGEU3', 'issued', '2026-11-28 00:13:02.67031+00', '2026-11-28 00:13:02.678375+00', NULL, '', 'SKbb33ba5dc4f55e5b68bffd9535315cd7', '', 0, NULL, NULL, 'e75699f2-eae9-4f4a-a000-8c03cb58d946'),
	(3, 1, 'KQMAMBRKZLUN', 'issued', '2026-11-28 00:13:02.96801+00', '2026-11-28 00:13:02.975244+00', NULL, '', 'SK2c5c8581f72fba9b6d1bdcd6d92d1e85', '', 0, NULL, NULL, 'bf1ace25-7707-453b-8830-5a2de7d23d0d'),
	(4, 1, 'E3TZXGNJCQJQ', 'issued', '2026-11-28 00:13:03.152444+00', '2026-11-28 00:13:03.160356+00', NULL, '', 'SK1c8527310829a18ae8cda5b9271de317', '', 0, NULL, NULL, '938cc3a5-6a07-47d3-a1c9-396c120bb097'),
	(5, 2, 'XP7DQJ3OYHWQ', 'issued', '2026-11-28 00:13:03.237937+00', '2026-11-28 00:13:03.246203+00', NULL, '', 'SK45e4c9919a3ec2a94eee6cf5f22349eb', '', 0, 24, 'SK2c5c8581f72fba9b6d1bdcd6d92d1e85', 'bf1ace25-7707-453b-8830-5a2de7d23d0d');


--
-- Data for Name: keys_app_keyrequest; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_keyrequest VALUES
	('3fc7b3a2-5ee6-4b33-b6d8-67c39d0aa7ef', 'fresh', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', 'f2002537e663167bfc0d4f3b2787486dc3483e23e7d3e0c4e56e63f3d9f287c9', 'low', 1, '', '', 'issued', '2026-11-28 00:13:02.274086+00', '2026-11-28 00:13:02.416121+00', '2026-12-01 00:13:02.416121+00', NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('e75699f2-eae9-4f4a-a000-8c03cb58d946', 'confirmed', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', 'eab79ff05820f4b177a2c5ea6fff853413b4a4cb285c40685f4200f8f73536b0', 'low', 1, '', '', 'issued', '2026-11-28 00:13:02.517857+00', '2026-11-28 00:13:02.614711+00', '2026-12-01 00:13:02.614711+00', NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('938cc3a5-6a07-47d3-a1c9-396c120bb097', 'revoked', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', '9eefda91e37d02335b7ad572fcf76c7762b11e271e3988212ba9c1a120119891', 'low', 1, '', '', 'issued', '2026-11-28 00:13:03.00581+00', '2026-11-28 00:13:03.107379+00', '2026-12-01 00:13:03.107379+00', NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('bf1ace25-7707-453b-8830-5a2de7d23d0d', 'retiring', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', 'c3dacdd57f6f8f2c921f471bee198f70bee63d8d52ca5e474de3041e1a21b614', 'low', 1, '', '', 'issued', '2026-11-28 00:13:02.71158+00', '2026-11-28 00:13:02.921135+00', '2026-12-01 00:13:02.921135+00', NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('e3c5d157-23f8-49b3-9f3a-e16934dcfb39', 'waits', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', 'f828d4ef966b6016e4cce921211c92accd7bfccf36f3e5a89cb2da95e51c52da', 'low', 1, '', '', 'pending', '2026-11-28 00:13:03.329923+00', NULL, NULL, NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('9f4eec94-e9db-493f-94fa-4fe4c9f5fc50', 'half-approved', 'A monthly report.', '', 30, '{"allow":["/twilio/iam/api-keys/create"]}', '3a6db18e86d47b393d3505b6591538a3b2fc2ece58fc1a57beee0abfd82e6545', 'critical', 1, '', '', 'pending', '2026-11-28 00:13:03.382241+00', NULL, NULL, NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('10dcebe7-d42a-4078-9b0a-76626a3b7659', 'approved', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', 'b794d29ca41e0717ba466f76890af19ebc28bade410465db972db66f63a14cc9', 'low', 1, '', '', 'approved', '2026-11-28 00:13:03.535881+00', '2026-11-28 00:13:03.632077+00', '2026-12-01 00:13:03.632077+00', NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('27ae036b-e595-4df5-9213-0a742e8fff71', 'refused', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', 'ffc7d584f5fdb2dff60951df04be6fbb7e3745b653f6e6c17f7c1ff209d453c2', 'low', 1, '', '', 'rejected', '2026-11-28 00:13:03.795156+00', NULL, NULL, NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6', 'narrowed', 'A monthly report.', '', 30, '{"allow":["/twilio/messaging/messages/list"]}', '39c18b8eab3934ac36cb26c7065493ab67e0cea36325c4bdd14e589b370fb989', 'high', 1, '', '', 'approved', '2026-11-28 00:13:03.663402+00', '2026-11-28 00:13:03.765629+00', '2026-12-01 00:13:03.765629+00', NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1),
	('4476062f-9d10-4b6f-ae51-c2621ae7e60c', 'cancelled', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', '4067ba04fb7c503f8c916f2997d8eb7ec7d29582ac25e538ac3b786b0e363ce0', 'low', 1, '', '', 'cancelled', '2026-11-28 00:13:03.935333+00', NULL, NULL, NULL, '', 'AC48e1e559ac077b140657a53654fceb42', NULL, 1, 1);


--
-- Data for Name: keys_app_narrowing; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_narrowing VALUES
	(1, '{"allow":["/twilio/messaging/messages/list","/twilio/messaging/messages/read"]}', '{"allow":["/twilio/messaging/messages/list"]}', 30, 30, 'fbee3f99669c854e3a0e836432c3ba5fb46f40e455ae42c8414a795d89e66d10', '39c18b8eab3934ac36cb26c7065493ab67e0cea36325c4bdd14e589b370fb989', 'Less is enough.', '2026-11-28 00:13:03.758917+00', 3, '5c2cfbb1-6ce1-475a-a8b8-fd14331e98d6');


--
-- Data for Name: keys_app_noticekey; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_noticekey VALUES
	('43740973-2160-48ff-9b02-eda69acd343e', 'audit.checkpoint:be1c0bf7e32fbcaa5f5a529ebd66a462e01796bf975b9809997560937e965c4e', '2026-11-28 00:13:03.303416+00');


--
-- Data for Name: keys_app_probe; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_pushposition; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_reconcilerun; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_repeat; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_reviewedkey; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_signin; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_team; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_team VALUES
	(1, '[]', '[]', '', 'Payments', 365, ''),
	(2, '[]', '[]', '', 'Support', 365, '');


--
-- Data for Name: keys_app_teammembership; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_teammembership VALUES
	(1, false, false, 1, 1),
	(2, false, false, 1, 2),
	(3, true, false, 1, 3),
	(4, true, false, 1, 4),
	(5, false, false, 2, 5),
	(6, true, false, 2, 6);


--
-- Data for Name: keys_app_unmanagedkey; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_webhook; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_webhookdelivery; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: post_office_attachment; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: post_office_attachment_emails; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: post_office_email; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: post_office_emailtemplate; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: post_office_log; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Name: account_emailaddress_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.account_emailaddress_id_seq', 1, false);


--
-- Name: account_emailconfirmation_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.account_emailconfirmation_id_seq', 1, false);


--
-- Name: auth_group_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_group_id_seq', 3, true);


--
-- Name: auth_group_permissions_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_group_permissions_id_seq', 1, false);


--
-- Name: auth_permission_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_permission_id_seq', 168, true);


--
-- Name: auth_user_groups_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_user_groups_id_seq', 8, true);


--
-- Name: auth_user_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_user_id_seq', 10, true);


--
-- Name: auth_user_user_permissions_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_user_user_permissions_id_seq', 1, false);


--
-- Name: django_admin_log_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.django_admin_log_id_seq', 1, false);


--
-- Name: django_content_type_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.django_content_type_id_seq', 42, true);


--
-- Name: django_migrations_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.django_migrations_id_seq', 46, true);


--
-- Name: keys_app_accessreview_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_accessreview_id_seq', 1, false);


--
-- Name: keys_app_account_teams_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_account_teams_id_seq', 2, true);


--
-- Name: keys_app_approval_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_approval_id_seq', 8, true);


--
-- Name: keys_app_approvalrule_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_approvalrule_id_seq', 1, false);


--
-- Name: keys_app_catalogueobservation_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_catalogueobservation_id_seq', 1, false);


--
-- Name: keys_app_comment_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_comment_id_seq', 1, false);


--
-- Name: keys_app_delegation_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_delegation_id_seq', 1, false);


--
-- Name: keys_app_feedtoken_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_feedtoken_id_seq', 1, false);


--
-- Name: keys_app_issuance_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_issuance_id_seq', 5, true);


--
-- Name: keys_app_narrowing_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_narrowing_id_seq', 1, true);


--
-- Name: keys_app_probe_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_probe_id_seq', 1, false);


--
-- Name: keys_app_reconcilerun_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_reconcilerun_id_seq', 1, false);


--
-- Name: keys_app_repeat_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_repeat_id_seq', 1, false);


--
-- Name: keys_app_reviewedkey_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_reviewedkey_id_seq', 1, false);


--
-- Name: keys_app_team_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_team_id_seq', 2, true);


--
-- Name: keys_app_teammembership_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_teammembership_id_seq', 6, true);


--
-- Name: keys_app_webhook_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.keys_app_webhook_id_seq', 1, false);


--
-- Name: post_office_attachment_emails_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.post_office_attachment_emails_id_seq', 1, false);


--
-- Name: post_office_attachment_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.post_office_attachment_id_seq', 1, false);


--
-- Name: post_office_email_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.post_office_email_id_seq', 1, false);


--
-- Name: post_office_emailtemplate_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.post_office_emailtemplate_id_seq', 1, false);


--
-- Name: post_office_log_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.post_office_log_id_seq', 1, false);


--
-- Name: account_emailaddress account_emailaddress_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_emailaddress
    ADD CONSTRAINT account_emailaddress_pkey PRIMARY KEY (id);


--
-- Name: account_emailaddress account_emailaddress_user_id_email_987c8728_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_emailaddress
    ADD CONSTRAINT account_emailaddress_user_id_email_987c8728_uniq UNIQUE (user_id, email);


--
-- Name: account_emailconfirmation account_emailconfirmation_key_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_emailconfirmation
    ADD CONSTRAINT account_emailconfirmation_key_key UNIQUE (key);


--
-- Name: account_emailconfirmation account_emailconfirmation_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_emailconfirmation
    ADD CONSTRAINT account_emailconfirmation_pkey PRIMARY KEY (id);


--
-- Name: audit_auditevent audit_auditevent_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_auditevent
    ADD CONSTRAINT audit_auditevent_pkey PRIMARY KEY (sequence);


--
-- Name: audit_checkpoint audit_checkpoint_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_checkpoint
    ADD CONSTRAINT audit_checkpoint_pkey PRIMARY KEY (size);


--
-- Name: audit_eventterm audit_eventterm_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_eventterm
    ADD CONSTRAINT audit_eventterm_pkey PRIMARY KEY (term, sequence);


--
-- Name: audit_node audit_node_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_node
    ADD CONSTRAINT audit_node_pkey PRIMARY KEY (level, "position");


--
-- Name: auth_group auth_group_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_group
    ADD CONSTRAINT auth_group_name_key UNIQUE (name);


--
-- Name: auth_group_permissions auth_group_permissions_group_id_permission_id_0cd325b0_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_group_id_permission_id_0cd325b0_uniq UNIQUE (group_id, permission_id);


--
-- Name: auth_group_permissions auth_group_permissions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_pkey PRIMARY KEY (id);


--
-- Name: auth_group auth_group_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_group
    ADD CONSTRAINT auth_group_pkey PRIMARY KEY (id);


--
-- Name: auth_permission auth_permission_content_type_id_codename_01ab375a_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_content_type_id_codename_01ab375a_uniq UNIQUE (content_type_id, codename);


--
-- Name: auth_permission auth_permission_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_pkey PRIMARY KEY (id);


--
-- Name: auth_user_groups auth_user_groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user_groups
    ADD CONSTRAINT auth_user_groups_pkey PRIMARY KEY (id);


--
-- Name: auth_user_groups auth_user_groups_user_id_group_id_94350c0c_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user_groups
    ADD CONSTRAINT auth_user_groups_user_id_group_id_94350c0c_uniq UNIQUE (user_id, group_id);


--
-- Name: auth_user auth_user_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user
    ADD CONSTRAINT auth_user_pkey PRIMARY KEY (id);


--
-- Name: auth_user_user_permissions auth_user_user_permissions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_pkey PRIMARY KEY (id);


--
-- Name: auth_user_user_permissions auth_user_user_permissions_user_id_permission_id_14a6b632_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_user_id_permission_id_14a6b632_uniq UNIQUE (user_id, permission_id);


--
-- Name: auth_user auth_user_username_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user
    ADD CONSTRAINT auth_user_username_key UNIQUE (username);


--
-- Name: django_admin_log django_admin_log_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_pkey PRIMARY KEY (id);


--
-- Name: django_content_type django_content_type_app_label_model_76bd3d3b_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.django_content_type
    ADD CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq UNIQUE (app_label, model);


--
-- Name: django_content_type django_content_type_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.django_content_type
    ADD CONSTRAINT django_content_type_pkey PRIMARY KEY (id);


--
-- Name: django_migrations django_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.django_migrations
    ADD CONSTRAINT django_migrations_pkey PRIMARY KEY (id);


--
-- Name: django_session django_session_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.django_session
    ADD CONSTRAINT django_session_pkey PRIMARY KEY (session_key);


--
-- Name: keys_app_issuance issuances_are_numbered; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_issuance
    ADD CONSTRAINT issuances_are_numbered UNIQUE (request_id, number);


--
-- Name: keys_app_accessreview keys_app_accessreview_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_accessreview
    ADD CONSTRAINT keys_app_accessreview_pkey PRIMARY KEY (id);


--
-- Name: keys_app_accessreview keys_app_accessreview_quarter_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_accessreview
    ADD CONSTRAINT keys_app_accessreview_quarter_key UNIQUE (quarter);


--
-- Name: keys_app_account keys_app_account_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_account
    ADD CONSTRAINT keys_app_account_pkey PRIMARY KEY (sid);


--
-- Name: keys_app_account_teams keys_app_account_teams_account_id_team_id_3d2b3f22_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_account_teams
    ADD CONSTRAINT keys_app_account_teams_account_id_team_id_3d2b3f22_uniq UNIQUE (account_id, team_id);


--
-- Name: keys_app_account_teams keys_app_account_teams_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_account_teams
    ADD CONSTRAINT keys_app_account_teams_pkey PRIMARY KEY (id);


--
-- Name: keys_app_accountcheck keys_app_accountcheck_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_accountcheck
    ADD CONSTRAINT keys_app_accountcheck_pkey PRIMARY KEY (account_id);


--
-- Name: keys_app_apikey keys_app_apikey_issuance_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_apikey
    ADD CONSTRAINT keys_app_apikey_issuance_id_key UNIQUE (issuance_id);


--
-- Name: keys_app_apikey keys_app_apikey_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_apikey
    ADD CONSTRAINT keys_app_apikey_pkey PRIMARY KEY (sid);


--
-- Name: keys_app_approval keys_app_approval_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_approval
    ADD CONSTRAINT keys_app_approval_pkey PRIMARY KEY (id);


--
-- Name: keys_app_approvalrule keys_app_approvalrule_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_approvalrule
    ADD CONSTRAINT keys_app_approvalrule_name_key UNIQUE (name);


--
-- Name: keys_app_approvalrule keys_app_approvalrule_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_approvalrule
    ADD CONSTRAINT keys_app_approvalrule_pkey PRIMARY KEY (id);


--
-- Name: keys_app_catalogueobservation keys_app_catalogueobservation_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_catalogueobservation
    ADD CONSTRAINT keys_app_catalogueobservation_pkey PRIMARY KEY (id);


--
-- Name: keys_app_cataloguepermission keys_app_cataloguepermission_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_cataloguepermission
    ADD CONSTRAINT keys_app_cataloguepermission_pkey PRIMARY KEY (name);


--
-- Name: keys_app_comment keys_app_comment_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_comment
    ADD CONSTRAINT keys_app_comment_pkey PRIMARY KEY (id);


--
-- Name: keys_app_delegation keys_app_delegation_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_delegation
    ADD CONSTRAINT keys_app_delegation_pkey PRIMARY KEY (id);


--
-- Name: keys_app_feedtoken keys_app_feedtoken_digest_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_feedtoken
    ADD CONSTRAINT keys_app_feedtoken_digest_key UNIQUE (digest);


--
-- Name: keys_app_feedtoken keys_app_feedtoken_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_feedtoken
    ADD CONSTRAINT keys_app_feedtoken_pkey PRIMARY KEY (id);


--
-- Name: keys_app_issuance keys_app_issuance_marker_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_issuance
    ADD CONSTRAINT keys_app_issuance_marker_key UNIQUE (marker);


--
-- Name: keys_app_issuance keys_app_issuance_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_issuance
    ADD CONSTRAINT keys_app_issuance_pkey PRIMARY KEY (id);


--
-- Name: keys_app_keyrequest keys_app_keyrequest_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_keyrequest
    ADD CONSTRAINT keys_app_keyrequest_pkey PRIMARY KEY (id);


--
-- Name: keys_app_narrowing keys_app_narrowing_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_narrowing
    ADD CONSTRAINT keys_app_narrowing_pkey PRIMARY KEY (id);


--
-- Name: keys_app_noticekey keys_app_noticekey_key_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_noticekey
    ADD CONSTRAINT keys_app_noticekey_key_key UNIQUE (key);


--
-- Name: keys_app_noticekey keys_app_noticekey_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_noticekey
    ADD CONSTRAINT keys_app_noticekey_pkey PRIMARY KEY (id);


--
-- Name: keys_app_probe keys_app_probe_marker_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_probe
    ADD CONSTRAINT keys_app_probe_marker_key UNIQUE (marker);


--
-- Name: keys_app_probe keys_app_probe_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_probe
    ADD CONSTRAINT keys_app_probe_pkey PRIMARY KEY (id);


--
-- Name: keys_app_pushposition keys_app_pushposition_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_pushposition
    ADD CONSTRAINT keys_app_pushposition_pkey PRIMARY KEY (target);


--
-- Name: keys_app_reconcilerun keys_app_reconcilerun_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_reconcilerun
    ADD CONSTRAINT keys_app_reconcilerun_pkey PRIMARY KEY (id);


--
-- Name: keys_app_repeat keys_app_repeat_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_repeat
    ADD CONSTRAINT keys_app_repeat_pkey PRIMARY KEY (id);


--
-- Name: keys_app_reviewedkey keys_app_reviewedkey_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_reviewedkey
    ADD CONSTRAINT keys_app_reviewedkey_pkey PRIMARY KEY (id);


--
-- Name: keys_app_signin keys_app_signin_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_signin
    ADD CONSTRAINT keys_app_signin_pkey PRIMARY KEY (user_id);


--
-- Name: keys_app_team keys_app_team_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_team
    ADD CONSTRAINT keys_app_team_name_key UNIQUE (name);


--
-- Name: keys_app_team keys_app_team_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_team
    ADD CONSTRAINT keys_app_team_pkey PRIMARY KEY (id);


--
-- Name: keys_app_teammembership keys_app_teammembership_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_teammembership
    ADD CONSTRAINT keys_app_teammembership_pkey PRIMARY KEY (id);


--
-- Name: keys_app_unmanagedkey keys_app_unmanagedkey_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_unmanagedkey
    ADD CONSTRAINT keys_app_unmanagedkey_pkey PRIMARY KEY (sid);


--
-- Name: keys_app_webhook keys_app_webhook_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_webhook
    ADD CONSTRAINT keys_app_webhook_pkey PRIMARY KEY (id);


--
-- Name: keys_app_webhookdelivery keys_app_webhookdelivery_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_webhookdelivery
    ADD CONSTRAINT keys_app_webhookdelivery_pkey PRIMARY KEY (id);


--
-- Name: keys_app_narrowing narrowed_once_from_the_same; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_narrowing
    ADD CONSTRAINT narrowed_once_from_the_same UNIQUE (request_id, from_digest);


--
-- Name: keys_app_repeat one_count_per_hour; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_repeat
    ADD CONSTRAINT one_count_per_hour UNIQUE (action, hour, actor_id, actor_name, address, key_sid, request_id);


--
-- Name: keys_app_teammembership one_membership_per_team; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_teammembership
    ADD CONSTRAINT one_membership_per_team UNIQUE (team_id, user_id);


--
-- Name: keys_app_catalogueobservation one_observation_per_permission; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_catalogueobservation
    ADD CONSTRAINT one_observation_per_permission UNIQUE (account_id, permission);


--
-- Name: keys_app_reviewedkey one_review_of_a_key_at_a_time; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_reviewedkey
    ADD CONSTRAINT one_review_of_a_key_at_a_time UNIQUE (review_id, key_id);


--
-- Name: post_office_attachment_emails post_office_attachment_e_attachment_id_email_id_8e046917_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_attachment_emails
    ADD CONSTRAINT post_office_attachment_e_attachment_id_email_id_8e046917_uniq UNIQUE (attachment_id, email_id);


--
-- Name: post_office_attachment_emails post_office_attachment_emails_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_attachment_emails
    ADD CONSTRAINT post_office_attachment_emails_pkey PRIMARY KEY (id);


--
-- Name: post_office_attachment post_office_attachment_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_attachment
    ADD CONSTRAINT post_office_attachment_pkey PRIMARY KEY (id);


--
-- Name: post_office_email post_office_email_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_email
    ADD CONSTRAINT post_office_email_pkey PRIMARY KEY (id);


--
-- Name: post_office_emailtemplate post_office_emailtemplat_name_language_default_te_4023e3e4_uniq; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_emailtemplate
    ADD CONSTRAINT post_office_emailtemplat_name_language_default_te_4023e3e4_uniq UNIQUE (name, language, default_template_id);


--
-- Name: post_office_emailtemplate post_office_emailtemplate_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_emailtemplate
    ADD CONSTRAINT post_office_emailtemplate_pkey PRIMARY KEY (id);


--
-- Name: post_office_log post_office_log_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_log
    ADD CONSTRAINT post_office_log_pkey PRIMARY KEY (id);


--
-- Name: account_emailaddress_email_03be32b2; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX account_emailaddress_email_03be32b2 ON public.account_emailaddress USING btree (email);


--
-- Name: account_emailaddress_email_03be32b2_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX account_emailaddress_email_03be32b2_like ON public.account_emailaddress USING btree (email varchar_pattern_ops);


--
-- Name: account_emailaddress_user_id_2c513194; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX account_emailaddress_user_id_2c513194 ON public.account_emailaddress USING btree (user_id);


--
-- Name: account_emailconfirmation_email_address_id_5b7f8c58; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX account_emailconfirmation_email_address_id_5b7f8c58 ON public.account_emailconfirmation USING btree (email_address_id);


--
-- Name: account_emailconfirmation_key_f43612bd_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX account_emailconfirmation_key_f43612bd_like ON public.account_emailconfirmation USING btree (key varchar_pattern_ops);


--
-- Name: audit_auditevent_time_ec28f263; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_auditevent_time_ec28f263 ON public.audit_auditevent USING btree ("time");


--
-- Name: audit_by_account; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_account ON public.audit_auditevent USING btree (account_sid, sequence DESC);


--
-- Name: audit_by_action; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_action ON public.audit_auditevent USING btree (action, sequence DESC);


--
-- Name: audit_by_actor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_actor ON public.audit_auditevent USING btree (actor_name, sequence DESC);


--
-- Name: audit_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_key ON public.audit_auditevent USING btree (key_sid, sequence DESC);


--
-- Name: audit_by_request; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_request ON public.audit_auditevent USING btree (request_id, sequence DESC);


--
-- Name: auth_group_name_a6ea08ec_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_group_name_a6ea08ec_like ON public.auth_group USING btree (name varchar_pattern_ops);


--
-- Name: auth_group_permissions_group_id_b120cbf9; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_group_permissions_group_id_b120cbf9 ON public.auth_group_permissions USING btree (group_id);


--
-- Name: auth_group_permissions_permission_id_84c5c92e; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_group_permissions_permission_id_84c5c92e ON public.auth_group_permissions USING btree (permission_id);


--
-- Name: auth_permission_content_type_id_2f476e4b; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_permission_content_type_id_2f476e4b ON public.auth_permission USING btree (content_type_id);


--
-- Name: auth_user_groups_group_id_97559544; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_user_groups_group_id_97559544 ON public.auth_user_groups USING btree (group_id);


--
-- Name: auth_user_groups_user_id_6a12ed8b; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_user_groups_user_id_6a12ed8b ON public.auth_user_groups USING btree (user_id);


--
-- Name: auth_user_user_permissions_permission_id_1fbb5f2c; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_user_user_permissions_permission_id_1fbb5f2c ON public.auth_user_user_permissions USING btree (permission_id);


--
-- Name: auth_user_user_permissions_user_id_a95ead1b; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_user_user_permissions_user_id_a95ead1b ON public.auth_user_user_permissions USING btree (user_id);


--
-- Name: auth_user_username_6821ab7c_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX auth_user_username_6821ab7c_like ON public.auth_user USING btree (username varchar_pattern_ops);


--
-- Name: delivery_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX delivery_due ON public.keys_app_webhookdelivery USING btree (next_try_at) WHERE ((delivered_at IS NULL) AND (gave_up_at IS NULL));


--
-- Name: django_admin_log_content_type_id_c4bce8eb; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX django_admin_log_content_type_id_c4bce8eb ON public.django_admin_log USING btree (content_type_id);


--
-- Name: django_admin_log_user_id_c564eba6; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX django_admin_log_user_id_c564eba6 ON public.django_admin_log USING btree (user_id);


--
-- Name: django_session_expire_date_a5c62663; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX django_session_expire_date_a5c62663 ON public.django_session USING btree (expire_date);


--
-- Name: django_session_session_key_c0390e0f_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX django_session_session_key_c0390e0f_like ON public.django_session USING btree (session_key varchar_pattern_ops);


--
-- Name: key_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX key_by_expiry ON public.keys_app_apikey USING btree (state, expires_at);


--
-- Name: key_by_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX key_by_owner ON public.keys_app_apikey USING btree (owner_id, issued_at DESC);


--
-- Name: key_by_team; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX key_by_team ON public.keys_app_apikey USING btree (team_id, issued_at DESC);


--
-- Name: keys_app_accessreview_closed_by_id_dcbbf6e3; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_accessreview_closed_by_id_dcbbf6e3 ON public.keys_app_accessreview USING btree (closed_by_id);


--
-- Name: keys_app_accessreview_opened_by_id_c25c4328; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_accessreview_opened_by_id_c25c4328 ON public.keys_app_accessreview USING btree (opened_by_id);


--
-- Name: keys_app_accessreview_quarter_323eb43c_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_accessreview_quarter_323eb43c_like ON public.keys_app_accessreview USING btree (quarter varchar_pattern_ops);


--
-- Name: keys_app_account_sid_dcf85c88_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_account_sid_dcf85c88_like ON public.keys_app_account USING btree (sid varchar_pattern_ops);


--
-- Name: keys_app_account_teams_account_id_b0c47478; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_account_teams_account_id_b0c47478 ON public.keys_app_account_teams USING btree (account_id);


--
-- Name: keys_app_account_teams_account_id_b0c47478_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_account_teams_account_id_b0c47478_like ON public.keys_app_account_teams USING btree (account_id varchar_pattern_ops);


--
-- Name: keys_app_account_teams_team_id_b191a871; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_account_teams_team_id_b191a871 ON public.keys_app_account_teams USING btree (team_id);


--
-- Name: keys_app_accountcheck_account_id_e0deb393_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_accountcheck_account_id_e0deb393_like ON public.keys_app_accountcheck USING btree (account_id varchar_pattern_ops);


--
-- Name: keys_app_apikey_account_id_9f170bfd; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_apikey_account_id_9f170bfd ON public.keys_app_apikey USING btree (account_id);


--
-- Name: keys_app_apikey_account_id_9f170bfd_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_apikey_account_id_9f170bfd_like ON public.keys_app_apikey USING btree (account_id varchar_pattern_ops);


--
-- Name: keys_app_apikey_owner_id_8cbff365; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_apikey_owner_id_8cbff365 ON public.keys_app_apikey USING btree (owner_id);


--
-- Name: keys_app_apikey_request_id_4678f497; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_apikey_request_id_4678f497 ON public.keys_app_apikey USING btree (request_id);


--
-- Name: keys_app_apikey_sid_fb115a73_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_apikey_sid_fb115a73_like ON public.keys_app_apikey USING btree (sid varchar_pattern_ops);


--
-- Name: keys_app_apikey_team_id_ab1afcb8; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_apikey_team_id_ab1afcb8 ON public.keys_app_apikey USING btree (team_id);


--
-- Name: keys_app_approval_approver_id_8204a010; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_approval_approver_id_8204a010 ON public.keys_app_approval USING btree (approver_id);


--
-- Name: keys_app_approval_authority_id_f05c7fcf; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_approval_authority_id_f05c7fcf ON public.keys_app_approval USING btree (authority_id);


--
-- Name: keys_app_approval_request_id_19f845ef; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_approval_request_id_19f845ef ON public.keys_app_approval USING btree (request_id);


--
-- Name: keys_app_approval_void_by_id_11774d63; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_approval_void_by_id_11774d63 ON public.keys_app_approval USING btree (void_by_id);


--
-- Name: keys_app_approvalrule_name_db099f4d_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_approvalrule_name_db099f4d_like ON public.keys_app_approvalrule USING btree (name varchar_pattern_ops);


--
-- Name: keys_app_approvalrule_team_id_e4aa996b; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_approvalrule_team_id_e4aa996b ON public.keys_app_approvalrule USING btree (team_id);


--
-- Name: keys_app_catalogueobservation_account_id_84732196; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_catalogueobservation_account_id_84732196 ON public.keys_app_catalogueobservation USING btree (account_id);


--
-- Name: keys_app_catalogueobservation_account_id_84732196_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_catalogueobservation_account_id_84732196_like ON public.keys_app_catalogueobservation USING btree (account_id varchar_pattern_ops);


--
-- Name: keys_app_cataloguepermission_name_e08f0bc3_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_cataloguepermission_name_e08f0bc3_like ON public.keys_app_cataloguepermission USING btree (name varchar_pattern_ops);


--
-- Name: keys_app_comment_author_id_fd20cc95; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_comment_author_id_fd20cc95 ON public.keys_app_comment USING btree (author_id);


--
-- Name: keys_app_comment_request_id_9f0cafc2; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_comment_request_id_9f0cafc2 ON public.keys_app_comment USING btree (request_id);


--
-- Name: keys_app_delegation_deputy_id_9ae7c4a1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_delegation_deputy_id_9ae7c4a1 ON public.keys_app_delegation USING btree (deputy_id);


--
-- Name: keys_app_delegation_lead_id_d7e712e1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_delegation_lead_id_d7e712e1 ON public.keys_app_delegation USING btree (lead_id);


--
-- Name: keys_app_delegation_team_id_ba9af5ac; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_delegation_team_id_ba9af5ac ON public.keys_app_delegation USING btree (team_id);


--
-- Name: keys_app_feedtoken_created_by_id_03556518; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_feedtoken_created_by_id_03556518 ON public.keys_app_feedtoken USING btree (created_by_id);


--
-- Name: keys_app_feedtoken_digest_373b44b0_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_feedtoken_digest_373b44b0_like ON public.keys_app_feedtoken USING btree (digest varchar_pattern_ops);


--
-- Name: keys_app_issuance_marker_2cbecfaf_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_issuance_marker_2cbecfaf_like ON public.keys_app_issuance USING btree (marker varchar_pattern_ops);


--
-- Name: keys_app_issuance_request_id_af5551d1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_issuance_request_id_af5551d1 ON public.keys_app_issuance USING btree (request_id);


--
-- Name: keys_app_issuance_rotates_id_1498968e; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_issuance_rotates_id_1498968e ON public.keys_app_issuance USING btree (rotates_id);


--
-- Name: keys_app_issuance_rotates_id_1498968e_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_issuance_rotates_id_1498968e_like ON public.keys_app_issuance USING btree (rotates_id varchar_pattern_ops);


--
-- Name: keys_app_keyrequest_account_id_7017fb03; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_keyrequest_account_id_7017fb03 ON public.keys_app_keyrequest USING btree (account_id);


--
-- Name: keys_app_keyrequest_account_id_7017fb03_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_keyrequest_account_id_7017fb03_like ON public.keys_app_keyrequest USING btree (account_id varchar_pattern_ops);


--
-- Name: keys_app_keyrequest_changes_key_id_a4ebd73a; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_keyrequest_changes_key_id_a4ebd73a ON public.keys_app_keyrequest USING btree (changes_key_id);


--
-- Name: keys_app_keyrequest_changes_key_id_a4ebd73a_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_keyrequest_changes_key_id_a4ebd73a_like ON public.keys_app_keyrequest USING btree (changes_key_id varchar_pattern_ops);


--
-- Name: keys_app_keyrequest_requester_id_cb6f13f7; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_keyrequest_requester_id_cb6f13f7 ON public.keys_app_keyrequest USING btree (requester_id);


--
-- Name: keys_app_keyrequest_team_id_6baf4deb; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_keyrequest_team_id_6baf4deb ON public.keys_app_keyrequest USING btree (team_id);


--
-- Name: keys_app_narrowing_approver_id_3392cd2b; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_narrowing_approver_id_3392cd2b ON public.keys_app_narrowing USING btree (approver_id);


--
-- Name: keys_app_narrowing_request_id_e2e9240b; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_narrowing_request_id_e2e9240b ON public.keys_app_narrowing USING btree (request_id);


--
-- Name: keys_app_noticekey_key_7b1bdd8b_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_noticekey_key_7b1bdd8b_like ON public.keys_app_noticekey USING btree (key varchar_pattern_ops);


--
-- Name: keys_app_probe_account_id_118fba62; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_probe_account_id_118fba62 ON public.keys_app_probe USING btree (account_id);


--
-- Name: keys_app_probe_account_id_118fba62_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_probe_account_id_118fba62_like ON public.keys_app_probe USING btree (account_id varchar_pattern_ops);


--
-- Name: keys_app_probe_marker_6744b6a3_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_probe_marker_6744b6a3_like ON public.keys_app_probe USING btree (marker varchar_pattern_ops);


--
-- Name: keys_app_pushposition_target_05375ab2_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_pushposition_target_05375ab2_like ON public.keys_app_pushposition USING btree (target varchar_pattern_ops);


--
-- Name: keys_app_reconcilerun_started_at_709cbf2b; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_reconcilerun_started_at_709cbf2b ON public.keys_app_reconcilerun USING btree (started_at);


--
-- Name: keys_app_reviewedkey_decided_by_id_922e2bbc; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_reviewedkey_decided_by_id_922e2bbc ON public.keys_app_reviewedkey USING btree (decided_by_id);


--
-- Name: keys_app_reviewedkey_key_id_e0539371; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_reviewedkey_key_id_e0539371 ON public.keys_app_reviewedkey USING btree (key_id);


--
-- Name: keys_app_reviewedkey_key_id_e0539371_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_reviewedkey_key_id_e0539371_like ON public.keys_app_reviewedkey USING btree (key_id varchar_pattern_ops);


--
-- Name: keys_app_reviewedkey_review_id_c699cba2; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_reviewedkey_review_id_c699cba2 ON public.keys_app_reviewedkey USING btree (review_id);


--
-- Name: keys_app_reviewedkey_team_id_3bfb726f; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_reviewedkey_team_id_3bfb726f ON public.keys_app_reviewedkey USING btree (team_id);


--
-- Name: keys_app_team_name_579f68aa_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_team_name_579f68aa_like ON public.keys_app_team USING btree (name varchar_pattern_ops);


--
-- Name: keys_app_teammembership_team_id_5784e559; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_teammembership_team_id_5784e559 ON public.keys_app_teammembership USING btree (team_id);


--
-- Name: keys_app_teammembership_user_id_dd70cf9a; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_teammembership_user_id_dd70cf9a ON public.keys_app_teammembership USING btree (user_id);


--
-- Name: keys_app_unmanagedkey_account_id_84df52e6; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_unmanagedkey_account_id_84df52e6 ON public.keys_app_unmanagedkey USING btree (account_id);


--
-- Name: keys_app_unmanagedkey_account_id_84df52e6_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_unmanagedkey_account_id_84df52e6_like ON public.keys_app_unmanagedkey USING btree (account_id varchar_pattern_ops);


--
-- Name: keys_app_unmanagedkey_proposed_by_id_323dcc67; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_unmanagedkey_proposed_by_id_323dcc67 ON public.keys_app_unmanagedkey USING btree (proposed_by_id);


--
-- Name: keys_app_unmanagedkey_proposed_team_id_8a8eff52; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_unmanagedkey_proposed_team_id_8a8eff52 ON public.keys_app_unmanagedkey USING btree (proposed_team_id);


--
-- Name: keys_app_unmanagedkey_sid_991aac29_like; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_unmanagedkey_sid_991aac29_like ON public.keys_app_unmanagedkey USING btree (sid varchar_pattern_ops);


--
-- Name: keys_app_webhook_team_id_5949d23b; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_webhook_team_id_5949d23b ON public.keys_app_webhook USING btree (team_id);


--
-- Name: keys_app_webhookdelivery_webhook_id_4d8a2dfc; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_app_webhookdelivery_webhook_id_4d8a2dfc ON public.keys_app_webhookdelivery USING btree (webhook_id);


--
-- Name: one_approval_per_authority; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_approval_per_authority ON public.keys_app_approval USING btree (request_id, authority_id) WHERE (((decision)::text = 'approved'::text) AND (void_at IS NULL));


--
-- Name: one_approval_per_stage; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_approval_per_stage ON public.keys_app_approval USING btree (request_id, stage) WHERE (((decision)::text = 'approved'::text) AND (void_at IS NULL));


--
-- Name: one_decision_per_person; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_decision_per_person ON public.keys_app_approval USING btree (request_id, approver_id) WHERE (((decision)::text = ANY ((ARRAY['approved'::character varying, 'rejected'::character varying])::text[])) AND (void_at IS NULL));


--
-- Name: one_live_key_per_request; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_live_key_per_request ON public.keys_app_apikey USING btree (request_id) WHERE ((retires_at IS NULL) AND ((state)::text = 'active'::text));


--
-- Name: one_open_issuance; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_open_issuance ON public.keys_app_issuance USING btree (request_id) WHERE ((state)::text = ANY ((ARRAY['started'::character varying, 'unknown'::character varying])::text[]));


--
-- Name: one_open_review; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_open_review ON public.keys_app_accessreview USING btree (((closed_at IS NULL))) WHERE (closed_at IS NULL);


--
-- Name: one_review; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_review ON public.keys_app_approval USING btree (request_id) WHERE ((decision)::text = 'reviewed'::text);


--
-- Name: one_rule_of_a_name; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_rule_of_a_name ON public.keys_app_approvalrule USING btree (lower((name)::text));


--
-- Name: one_team_of_a_name; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_team_of_a_name ON public.keys_app_team USING btree (lower((name)::text));


--
-- Name: one_user_of_a_login; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_user_of_a_login ON public.auth_user USING btree (lower((username)::text));


--
-- Name: post_office_attachment_emails_attachment_id_6136fd9a; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_attachment_emails_attachment_id_6136fd9a ON public.post_office_attachment_emails USING btree (attachment_id);


--
-- Name: post_office_attachment_emails_email_id_96875fd9; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_attachment_emails_email_id_96875fd9 ON public.post_office_attachment_emails USING btree (email_id);


--
-- Name: post_office_email_created_1306952f; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_email_created_1306952f ON public.post_office_email USING btree (created);


--
-- Name: post_office_email_last_updated_0ffcec35; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_email_last_updated_0ffcec35 ON public.post_office_email USING btree (last_updated);


--
-- Name: post_office_email_scheduled_time_3869ebec; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_email_scheduled_time_3869ebec ON public.post_office_email USING btree (scheduled_time);


--
-- Name: post_office_email_status_013a896c; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_email_status_013a896c ON public.post_office_email USING btree (status);


--
-- Name: post_office_email_template_id_417da7da; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_email_template_id_417da7da ON public.post_office_email USING btree (template_id);


--
-- Name: post_office_emailtemplate_default_template_id_2ac2f889; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_emailtemplate_default_template_id_2ac2f889 ON public.post_office_emailtemplate USING btree (default_template_id);


--
-- Name: post_office_log_email_id_d42c8808; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX post_office_log_email_id_d42c8808 ON public.post_office_log USING btree (email_id);


--
-- Name: request_by_requester; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX request_by_requester ON public.keys_app_keyrequest USING btree (requester_id, created_at DESC);


--
-- Name: request_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX request_by_state ON public.keys_app_keyrequest USING btree (state, created_at);


--
-- Name: request_by_team; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX request_by_team ON public.keys_app_keyrequest USING btree (team_id, created_at DESC);


--
-- Name: unique_primary_email; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX unique_primary_email ON public.account_emailaddress USING btree (user_id, "primary") WHERE "primary";


--
-- Name: unique_verified_email; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX unique_verified_email ON public.account_emailaddress USING btree (email) WHERE verified;


--
-- Name: unmanaged_by_account; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX unmanaged_by_account ON public.keys_app_unmanagedkey USING btree (account_id, first_seen DESC);


--
-- Name: keys_app_approval approval_fixed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER approval_fixed BEFORE UPDATE ON public.keys_app_approval FOR EACH ROW EXECUTE FUNCTION public.approval_fixed();


--
-- Name: keys_app_approval approval_not_own_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER approval_not_own_insert BEFORE INSERT ON public.keys_app_approval FOR EACH ROW EXECUTE FUNCTION public.approval_not_own_insert();


--
-- Name: keys_app_approval approval_not_void_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER approval_not_void_insert BEFORE INSERT ON public.keys_app_approval FOR EACH ROW EXECUTE FUNCTION public.approval_not_void_insert();


--
-- Name: keys_app_approval approval_right_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER approval_right_insert BEFORE INSERT ON public.keys_app_approval FOR EACH ROW EXECUTE FUNCTION public.approval_right_insert();


--
-- Name: keys_app_approval approval_rule_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER approval_rule_insert BEFORE INSERT ON public.keys_app_approval FOR EACH ROW EXECUTE FUNCTION public.approval_rule_insert();


--
-- Name: audit_checkpoint audit_checkpoint_next_number; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_checkpoint_next_number BEFORE INSERT ON public.audit_checkpoint FOR EACH ROW EXECUTE FUNCTION public.audit_checkpoint_expect_next();

ALTER TABLE public.audit_checkpoint ENABLE ALWAYS TRIGGER audit_checkpoint_next_number;


--
-- Name: audit_checkpoint audit_checkpoint_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_checkpoint_no_change BEFORE DELETE OR UPDATE ON public.audit_checkpoint FOR EACH ROW EXECUTE FUNCTION public.audit_refuse();

ALTER TABLE public.audit_checkpoint ENABLE ALWAYS TRIGGER audit_checkpoint_no_change;


--
-- Name: audit_checkpoint audit_checkpoint_no_truncate; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_checkpoint_no_truncate BEFORE TRUNCATE ON public.audit_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse();

ALTER TABLE public.audit_checkpoint ENABLE ALWAYS TRIGGER audit_checkpoint_no_truncate;


--
-- Name: audit_auditevent audit_next_number; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_next_number BEFORE INSERT ON public.audit_auditevent FOR EACH ROW EXECUTE FUNCTION public.audit_expect_next();

ALTER TABLE public.audit_auditevent ENABLE ALWAYS TRIGGER audit_next_number;


--
-- Name: audit_auditevent audit_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_no_change BEFORE DELETE OR UPDATE ON public.audit_auditevent FOR EACH ROW EXECUTE FUNCTION public.audit_refuse();

ALTER TABLE public.audit_auditevent ENABLE ALWAYS TRIGGER audit_no_change;


--
-- Name: audit_auditevent audit_no_truncate; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.audit_auditevent FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse();

ALTER TABLE public.audit_auditevent ENABLE ALWAYS TRIGGER audit_no_truncate;


--
-- Name: audit_node audit_node_next_number; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_node_next_number BEFORE INSERT ON public.audit_node FOR EACH ROW EXECUTE FUNCTION public.audit_node_expect_next();

ALTER TABLE public.audit_node ENABLE ALWAYS TRIGGER audit_node_next_number;


--
-- Name: audit_node audit_node_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_node_no_change BEFORE DELETE OR UPDATE ON public.audit_node FOR EACH ROW EXECUTE FUNCTION public.audit_refuse();

ALTER TABLE public.audit_node ENABLE ALWAYS TRIGGER audit_node_no_change;


--
-- Name: audit_node audit_node_no_truncate; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_node_no_truncate BEFORE TRUNCATE ON public.audit_node FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse();

ALTER TABLE public.audit_node ENABLE ALWAYS TRIGGER audit_node_no_truncate;


--
-- Name: audit_eventterm audit_terms_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_terms_no_change BEFORE DELETE OR UPDATE ON public.audit_eventterm FOR EACH ROW EXECUTE FUNCTION public.audit_refuse();

ALTER TABLE public.audit_eventterm ENABLE ALWAYS TRIGGER audit_terms_no_change;


--
-- Name: audit_eventterm audit_terms_no_truncate; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_terms_no_truncate BEFORE TRUNCATE ON public.audit_eventterm FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse();

ALTER TABLE public.audit_eventterm ENABLE ALWAYS TRIGGER audit_terms_no_truncate;


--
-- Name: keys_app_narrowing narrowing_fixed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER narrowing_fixed BEFORE UPDATE ON public.keys_app_narrowing FOR EACH ROW EXECUTE FUNCTION public.narrowing_fixed();


--
-- Name: keys_app_narrowing narrowing_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER narrowing_insert BEFORE INSERT ON public.keys_app_narrowing FOR EACH ROW EXECUTE FUNCTION public.narrowing_insert();


--
-- Name: keys_app_narrowing narrowing_not_own_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER narrowing_not_own_insert BEFORE INSERT ON public.keys_app_narrowing FOR EACH ROW EXECUTE FUNCTION public.narrowing_not_own_insert();


--
-- Name: keys_app_keyrequest request_approved_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER request_approved_insert BEFORE INSERT ON public.keys_app_keyrequest FOR EACH ROW EXECUTE FUNCTION public.request_approved_insert();


--
-- Name: keys_app_keyrequest request_approved_update; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER request_approved_update BEFORE UPDATE ON public.keys_app_keyrequest FOR EACH ROW EXECUTE FUNCTION public.request_approved_update();


--
-- Name: keys_app_keyrequest request_fixed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER request_fixed BEFORE UPDATE ON public.keys_app_keyrequest FOR EACH ROW EXECUTE FUNCTION public.request_fixed();


--
-- Name: keys_app_keyrequest request_incident_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER request_incident_insert BEFORE INSERT ON public.keys_app_keyrequest FOR EACH ROW EXECUTE FUNCTION public.request_incident_insert();


--
-- Name: auth_user user_deactivated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER user_deactivated AFTER UPDATE OF is_active ON public.auth_user FOR EACH ROW WHEN ((old.is_active AND (NOT new.is_active))) EXECUTE FUNCTION public.user_deactivated();


--
-- Name: account_emailaddress account_emailaddress_user_id_2c513194_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_emailaddress
    ADD CONSTRAINT account_emailaddress_user_id_2c513194_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: account_emailconfirmation account_emailconfirm_email_address_id_5b7f8c58_fk_account_e; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_emailconfirmation
    ADD CONSTRAINT account_emailconfirm_email_address_id_5b7f8c58_fk_account_e FOREIGN KEY (email_address_id) REFERENCES public.account_emailaddress(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: auth_group_permissions auth_group_permissio_permission_id_84c5c92e_fk_auth_perm; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissio_permission_id_84c5c92e_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES public.auth_permission(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: auth_group_permissions auth_group_permissions_group_id_b120cbf9_fk_auth_group_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_group_id_b120cbf9_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES public.auth_group(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: auth_permission auth_permission_content_type_id_2f476e4b_fk_django_co; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_content_type_id_2f476e4b_fk_django_co FOREIGN KEY (content_type_id) REFERENCES public.django_content_type(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: auth_user_groups auth_user_groups_group_id_97559544_fk_auth_group_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user_groups
    ADD CONSTRAINT auth_user_groups_group_id_97559544_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES public.auth_group(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: auth_user_groups auth_user_groups_user_id_6a12ed8b_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user_groups
    ADD CONSTRAINT auth_user_groups_user_id_6a12ed8b_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: auth_user_user_permissions auth_user_user_permi_permission_id_1fbb5f2c_fk_auth_perm; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permi_permission_id_1fbb5f2c_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES public.auth_permission(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: auth_user_user_permissions auth_user_user_permissions_user_id_a95ead1b_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_user_id_a95ead1b_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: django_admin_log django_admin_log_content_type_id_c4bce8eb_fk_django_co; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_content_type_id_c4bce8eb_fk_django_co FOREIGN KEY (content_type_id) REFERENCES public.django_content_type(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: django_admin_log django_admin_log_user_id_c564eba6_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_user_id_c564eba6_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_accessreview keys_app_accessreview_closed_by_id_dcbbf6e3_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_accessreview
    ADD CONSTRAINT keys_app_accessreview_closed_by_id_dcbbf6e3_fk_auth_user_id FOREIGN KEY (closed_by_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_accessreview keys_app_accessreview_opened_by_id_c25c4328_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_accessreview
    ADD CONSTRAINT keys_app_accessreview_opened_by_id_c25c4328_fk_auth_user_id FOREIGN KEY (opened_by_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_account_teams keys_app_account_tea_account_id_b0c47478_fk_keys_app_; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_account_teams
    ADD CONSTRAINT keys_app_account_tea_account_id_b0c47478_fk_keys_app_ FOREIGN KEY (account_id) REFERENCES public.keys_app_account(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_account_teams keys_app_account_teams_team_id_b191a871_fk_keys_app_team_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_account_teams
    ADD CONSTRAINT keys_app_account_teams_team_id_b191a871_fk_keys_app_team_id FOREIGN KEY (team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_accountcheck keys_app_accountchec_account_id_e0deb393_fk_keys_app_; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_accountcheck
    ADD CONSTRAINT keys_app_accountchec_account_id_e0deb393_fk_keys_app_ FOREIGN KEY (account_id) REFERENCES public.keys_app_account(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_apikey keys_app_apikey_account_id_9f170bfd_fk_keys_app_account_sid; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_apikey
    ADD CONSTRAINT keys_app_apikey_account_id_9f170bfd_fk_keys_app_account_sid FOREIGN KEY (account_id) REFERENCES public.keys_app_account(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_apikey keys_app_apikey_issuance_id_f51bf9d5_fk_keys_app_issuance_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_apikey
    ADD CONSTRAINT keys_app_apikey_issuance_id_f51bf9d5_fk_keys_app_issuance_id FOREIGN KEY (issuance_id) REFERENCES public.keys_app_issuance(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_apikey keys_app_apikey_owner_id_8cbff365_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_apikey
    ADD CONSTRAINT keys_app_apikey_owner_id_8cbff365_fk_auth_user_id FOREIGN KEY (owner_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_apikey keys_app_apikey_request_id_4678f497_fk_keys_app_keyrequest_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_apikey
    ADD CONSTRAINT keys_app_apikey_request_id_4678f497_fk_keys_app_keyrequest_id FOREIGN KEY (request_id) REFERENCES public.keys_app_keyrequest(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_apikey keys_app_apikey_team_id_ab1afcb8_fk_keys_app_team_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_apikey
    ADD CONSTRAINT keys_app_apikey_team_id_ab1afcb8_fk_keys_app_team_id FOREIGN KEY (team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_approval keys_app_approval_approver_id_8204a010_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_approval
    ADD CONSTRAINT keys_app_approval_approver_id_8204a010_fk_auth_user_id FOREIGN KEY (approver_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_approval keys_app_approval_authority_id_f05c7fcf_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_approval
    ADD CONSTRAINT keys_app_approval_authority_id_f05c7fcf_fk_auth_user_id FOREIGN KEY (authority_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_approval keys_app_approval_request_id_19f845ef_fk_keys_app_keyrequest_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_approval
    ADD CONSTRAINT keys_app_approval_request_id_19f845ef_fk_keys_app_keyrequest_id FOREIGN KEY (request_id) REFERENCES public.keys_app_keyrequest(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_approval keys_app_approval_void_by_id_11774d63_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_approval
    ADD CONSTRAINT keys_app_approval_void_by_id_11774d63_fk_auth_user_id FOREIGN KEY (void_by_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_approvalrule keys_app_approvalrule_team_id_e4aa996b_fk_keys_app_team_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_approvalrule
    ADD CONSTRAINT keys_app_approvalrule_team_id_e4aa996b_fk_keys_app_team_id FOREIGN KEY (team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_catalogueobservation keys_app_catalogueob_account_id_84732196_fk_keys_app_; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_catalogueobservation
    ADD CONSTRAINT keys_app_catalogueob_account_id_84732196_fk_keys_app_ FOREIGN KEY (account_id) REFERENCES public.keys_app_account(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_comment keys_app_comment_author_id_fd20cc95_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_comment
    ADD CONSTRAINT keys_app_comment_author_id_fd20cc95_fk_auth_user_id FOREIGN KEY (author_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_comment keys_app_comment_request_id_9f0cafc2_fk_keys_app_keyrequest_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_comment
    ADD CONSTRAINT keys_app_comment_request_id_9f0cafc2_fk_keys_app_keyrequest_id FOREIGN KEY (request_id) REFERENCES public.keys_app_keyrequest(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_delegation keys_app_delegation_deputy_id_9ae7c4a1_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_delegation
    ADD CONSTRAINT keys_app_delegation_deputy_id_9ae7c4a1_fk_auth_user_id FOREIGN KEY (deputy_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_delegation keys_app_delegation_lead_id_d7e712e1_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_delegation
    ADD CONSTRAINT keys_app_delegation_lead_id_d7e712e1_fk_auth_user_id FOREIGN KEY (lead_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_delegation keys_app_delegation_team_id_ba9af5ac_fk_keys_app_team_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_delegation
    ADD CONSTRAINT keys_app_delegation_team_id_ba9af5ac_fk_keys_app_team_id FOREIGN KEY (team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_feedtoken keys_app_feedtoken_created_by_id_03556518_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_feedtoken
    ADD CONSTRAINT keys_app_feedtoken_created_by_id_03556518_fk_auth_user_id FOREIGN KEY (created_by_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_issuance keys_app_issuance_request_id_af5551d1_fk_keys_app_keyrequest_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_issuance
    ADD CONSTRAINT keys_app_issuance_request_id_af5551d1_fk_keys_app_keyrequest_id FOREIGN KEY (request_id) REFERENCES public.keys_app_keyrequest(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_issuance keys_app_issuance_rotates_id_1498968e_fk_keys_app_apikey_sid; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_issuance
    ADD CONSTRAINT keys_app_issuance_rotates_id_1498968e_fk_keys_app_apikey_sid FOREIGN KEY (rotates_id) REFERENCES public.keys_app_apikey(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_keyrequest keys_app_keyrequest_account_id_7017fb03_fk_keys_app_account_sid; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_keyrequest
    ADD CONSTRAINT keys_app_keyrequest_account_id_7017fb03_fk_keys_app_account_sid FOREIGN KEY (account_id) REFERENCES public.keys_app_account(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_keyrequest keys_app_keyrequest_changes_key_id_a4ebd73a_fk_keys_app_; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_keyrequest
    ADD CONSTRAINT keys_app_keyrequest_changes_key_id_a4ebd73a_fk_keys_app_ FOREIGN KEY (changes_key_id) REFERENCES public.keys_app_apikey(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_keyrequest keys_app_keyrequest_requester_id_cb6f13f7_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_keyrequest
    ADD CONSTRAINT keys_app_keyrequest_requester_id_cb6f13f7_fk_auth_user_id FOREIGN KEY (requester_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_keyrequest keys_app_keyrequest_team_id_6baf4deb_fk_keys_app_team_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_keyrequest
    ADD CONSTRAINT keys_app_keyrequest_team_id_6baf4deb_fk_keys_app_team_id FOREIGN KEY (team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_narrowing keys_app_narrowing_approver_id_3392cd2b_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_narrowing
    ADD CONSTRAINT keys_app_narrowing_approver_id_3392cd2b_fk_auth_user_id FOREIGN KEY (approver_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_narrowing keys_app_narrowing_request_id_e2e9240b_fk_keys_app_; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_narrowing
    ADD CONSTRAINT keys_app_narrowing_request_id_e2e9240b_fk_keys_app_ FOREIGN KEY (request_id) REFERENCES public.keys_app_keyrequest(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_probe keys_app_probe_account_id_118fba62_fk_keys_app_account_sid; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_probe
    ADD CONSTRAINT keys_app_probe_account_id_118fba62_fk_keys_app_account_sid FOREIGN KEY (account_id) REFERENCES public.keys_app_account(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_reviewedkey keys_app_reviewedkey_decided_by_id_922e2bbc_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_reviewedkey
    ADD CONSTRAINT keys_app_reviewedkey_decided_by_id_922e2bbc_fk_auth_user_id FOREIGN KEY (decided_by_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_reviewedkey keys_app_reviewedkey_key_id_e0539371_fk_keys_app_apikey_sid; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_reviewedkey
    ADD CONSTRAINT keys_app_reviewedkey_key_id_e0539371_fk_keys_app_apikey_sid FOREIGN KEY (key_id) REFERENCES public.keys_app_apikey(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_reviewedkey keys_app_reviewedkey_review_id_c699cba2_fk_keys_app_; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_reviewedkey
    ADD CONSTRAINT keys_app_reviewedkey_review_id_c699cba2_fk_keys_app_ FOREIGN KEY (review_id) REFERENCES public.keys_app_accessreview(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_reviewedkey keys_app_reviewedkey_team_id_3bfb726f_fk_keys_app_team_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_reviewedkey
    ADD CONSTRAINT keys_app_reviewedkey_team_id_3bfb726f_fk_keys_app_team_id FOREIGN KEY (team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_signin keys_app_signin_user_id_4b0278ad_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_signin
    ADD CONSTRAINT keys_app_signin_user_id_4b0278ad_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_teammembership keys_app_teammembership_team_id_5784e559_fk_keys_app_team_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_teammembership
    ADD CONSTRAINT keys_app_teammembership_team_id_5784e559_fk_keys_app_team_id FOREIGN KEY (team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_teammembership keys_app_teammembership_user_id_dd70cf9a_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_teammembership
    ADD CONSTRAINT keys_app_teammembership_user_id_dd70cf9a_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_unmanagedkey keys_app_unmanagedke_account_id_84df52e6_fk_keys_app_; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_unmanagedkey
    ADD CONSTRAINT keys_app_unmanagedke_account_id_84df52e6_fk_keys_app_ FOREIGN KEY (account_id) REFERENCES public.keys_app_account(sid) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_unmanagedkey keys_app_unmanagedke_proposed_team_id_8a8eff52_fk_keys_app_; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_unmanagedkey
    ADD CONSTRAINT keys_app_unmanagedke_proposed_team_id_8a8eff52_fk_keys_app_ FOREIGN KEY (proposed_team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_unmanagedkey keys_app_unmanagedkey_proposed_by_id_323dcc67_fk_auth_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_unmanagedkey
    ADD CONSTRAINT keys_app_unmanagedkey_proposed_by_id_323dcc67_fk_auth_user_id FOREIGN KEY (proposed_by_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: keys_app_webhook keys_app_webhook_team_id_5949d23b_fk_keys_app_team_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys_app_webhook
    ADD CONSTRAINT keys_app_webhook_team_id_5949d23b_fk_keys_app_team_id FOREIGN KEY (team_id) REFERENCES public.keys_app_team(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: post_office_attachment_emails post_office_attachme_attachment_id_6136fd9a_fk_post_offi; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_attachment_emails
    ADD CONSTRAINT post_office_attachme_attachment_id_6136fd9a_fk_post_offi FOREIGN KEY (attachment_id) REFERENCES public.post_office_attachment(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: post_office_attachment_emails post_office_attachme_email_id_96875fd9_fk_post_offi; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_attachment_emails
    ADD CONSTRAINT post_office_attachme_email_id_96875fd9_fk_post_offi FOREIGN KEY (email_id) REFERENCES public.post_office_email(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: post_office_email post_office_email_template_id_417da7da_fk_post_offi; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_email
    ADD CONSTRAINT post_office_email_template_id_417da7da_fk_post_offi FOREIGN KEY (template_id) REFERENCES public.post_office_emailtemplate(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: post_office_emailtemplate post_office_emailtem_default_template_id_2ac2f889_fk_post_offi; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_emailtemplate
    ADD CONSTRAINT post_office_emailtem_default_template_id_2ac2f889_fk_post_offi FOREIGN KEY (default_template_id) REFERENCES public.post_office_emailtemplate(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: post_office_log post_office_log_email_id_d42c8808_fk_post_office_email_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.post_office_log
    ADD CONSTRAINT post_office_log_email_id_d42c8808_fk_post_office_email_id FOREIGN KEY (email_id) REFERENCES public.post_office_email(id) DEFERRABLE INITIALLY DEFERRED;


--
-- PostgreSQL database dump complete
--


