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
    looked_at timestamp with time zone,
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
    looked_at timestamp with time zone,
    policy_json text NOT NULL,
    adopted_at timestamp with time zone,
    account_id character varying(34) NOT NULL,
    proposed_by_id integer,
    proposed_team_id bigint,
    CONSTRAINT policy_was_looked_at CHECK (((policy_json = ''::text) OR (looked_at IS NOT NULL)))
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
	(1, '2026-11-27 23:57:38.933867+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '12ec41dc-fb85-4beb-b1c6-604a65221de9', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"fresh","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"12ec41dc-fb85-4beb-b1c6-604a65221de9","risk":"low","sequence":1,"team":"Payments","time":"2026-11-27T23:57:38.933867+00:00"}', '\x7c403e58f8029edbebc24e282318c8df11662e3c9e9ba15652f7c3b503ae40af'),
	(2, '2026-11-27 23:57:39.059261+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '12ec41dc-fb85-4beb-b1c6-604a65221de9', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"f492b4a3a98fd42e33eb1e102f31dad757000fc9421669b75c132bde5a823286","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"12ec41dc-fb85-4beb-b1c6-604a65221de9","risk":"low","sequence":2,"team":"Payments","time":"2026-11-27T23:57:39.059261+00:00"}', '\x688ee590af9c9bc6893587763fbef2c2d33532cb17833f554ff96d20b10662fb'),
	(3, '2026-11-27 23:57:39.258277+00', 'key.issue_started', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '12ec41dc-fb85-4beb-b1c6-604a65221de9', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"WNQRKCAULV2L"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"12ec41dc-fb85-4beb-b1c6-604a65221de9","risk":"low","sequence":3,"team":"Payments","time":"2026-11-27T23:57:39.258277+00:00"}', '\x284aeb5f085c97fc0948791975390dda0b57e2cb411f7f4973971b9511b3af23'),
	(4, '2026-11-27 23:57:39.328323+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SK0682f5c27c146d67303d5f7faac20b83', '12ec41dc-fb85-4beb-b1c6-604a65221de9', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:39.317434+00:00","marker":"WNQRKCAULV2L"},"key_sid":"SK0682f5c27c146d67303d5f7faac20b83","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"12ec41dc-fb85-4beb-b1c6-604a65221de9","risk":"low","sequence":4,"team":"Payments","time":"2026-11-27T23:57:39.328323+00:00"}', '\x29339864f9cd35a2e011dd58329f17eb0e6a4eff0bd74f858394b5562f11fcc1'),
	(5, '2026-11-27 23:57:39.525594+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '699b77e7-d77d-4052-b11f-7aa3332df5c8', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"confirmed","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"699b77e7-d77d-4052-b11f-7aa3332df5c8","risk":"low","sequence":5,"team":"Payments","time":"2026-11-27T23:57:39.525594+00:00"}', '\x2956e89b9e5ebcae9fb2c91be813b62bfcb99bb86d4ebf16a19959168e872f7d'),
	(6, '2026-11-27 23:57:39.751256+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '699b77e7-d77d-4052-b11f-7aa3332df5c8', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"90c211a1144ca39e2790b74a1c59463d1c29da0077afb467c298cd85a3bee149","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"699b77e7-d77d-4052-b11f-7aa3332df5c8","risk":"low","sequence":6,"team":"Payments","time":"2026-11-27T23:57:39.751256+00:00"}', '\x583ec5f0e8dd8a3283dfa5e3b4aff4c993c5f4f0da7f5d1fd2673ad339e9a94e'),
	(7, '2026-11-27 23:57:39.888949+00', 'key.issue_started', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '699b77e7-d77d-4052-b11f-7aa3332df5c8', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"3DCBLS53IR3U"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"699b77e7-d77d-4052-b11f-7aa3332df5c8","risk":"low","sequence":7,"team":"Payments","time":"2026-11-27T23:57:39.888949+00:00"}', '\x60f894d39f6d38559ab6d168d7097734a1be32b6e2aa13c9fa3ec6814eefc63f'),
	(8, '2026-11-27 23:57:39.913532+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SKdf1c70d8ede4f75e56fa70db54a45af7', '699b77e7-d77d-4052-b11f-7aa3332df5c8', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:39.910990+00:00","marker":"3DCBLS53IR3U"},"key_sid":"SKdf1c70d8ede4f75e56fa70db54a45af7","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"699b77e7-d77d-4052-b11f-7aa3332df5c8","risk":"low","sequence":8,"team":"Payments","time":"2026-11-27T23:57:39.913532+00:00"}', '\x5bf45d00a9bf158ffbd0f512b6d01a2486abcf379ea9767ee471bad709567934'),
	(9, '2026-11-27 23:57:40.101288+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"retiring","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"b6bad47c-b803-4ca4-a66d-b597cd2ba36e","risk":"low","sequence":9,"team":"Payments","time":"2026-11-27T23:57:40.101288+00:00"}', '\x60e992b3aa09919381a644450255fab0c22fe8525828ac65308e14d3526346ad'),
	(10, '2026-11-27 23:57:40.61358+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"1bf9854e6a991a38e5217a6cdf975f290c3f0580f33676314bc15c893713d14c","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"b6bad47c-b803-4ca4-a66d-b597cd2ba36e","risk":"low","sequence":10,"team":"Payments","time":"2026-11-27T23:57:40.613580+00:00"}', '\xb4bd7f4d9548615f321f0025774b60406d52b1a72ce61895aa549e927cfc1d87'),
	(11, '2026-11-27 23:57:40.745381+00', 'key.issue_started', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"UK2JWUZBE45W"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"b6bad47c-b803-4ca4-a66d-b597cd2ba36e","risk":"low","sequence":11,"team":"Payments","time":"2026-11-27T23:57:40.745381+00:00"}', '\xee04f376f358824af5b26454c28460865a23f6ebdbe4a14c378767bd16863ead'),
	(12, '2026-11-27 23:57:40.784356+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SKf529c530c47bf7792b7b43a2686ddf22', 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:40.777468+00:00","marker":"UK2JWUZBE45W"},"key_sid":"SKf529c530c47bf7792b7b43a2686ddf22","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"b6bad47c-b803-4ca4-a66d-b597cd2ba36e","risk":"low","sequence":12,"team":"Payments","time":"2026-11-27T23:57:40.784356+00:00"}', '\x01adc8d541a87532fbc76791818008ae74d08c643379e43712442e45478a3b5a'),
	(13, '2026-11-27 23:57:40.945292+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '4e14687a-7ef7-423f-a464-cc948444390a', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"revoked","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"4e14687a-7ef7-423f-a464-cc948444390a","risk":"low","sequence":13,"team":"Payments","time":"2026-11-27T23:57:40.945292+00:00"}', '\x357b455cf0a3814b6abcb00f0aaa1703443f4e4111f46a7a444371c63c2a512a'),
	(14, '2026-11-27 23:57:41.223722+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '4e14687a-7ef7-423f-a464-cc948444390a', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"41e09602d8f9d38d4b0f186754d7d7a83619e2696faa7c4ee686d02d281a772e","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"4e14687a-7ef7-423f-a464-cc948444390a","risk":"low","sequence":14,"team":"Payments","time":"2026-11-27T23:57:41.223722+00:00"}', '\x66f4084159ed269bf75c656cb2f5da6da8903ac228856689e015dd83df1d4cbe'),
	(15, '2026-11-27 23:57:41.402373+00', 'key.issue_started', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '4e14687a-7ef7-423f-a464-cc948444390a', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"BLQ5DA4GAMYK"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"4e14687a-7ef7-423f-a464-cc948444390a","risk":"low","sequence":15,"team":"Payments","time":"2026-11-27T23:57:41.402373+00:00"}', '\x9ae68a06ab2360a968d871acfb2d535eee82c96d19d88ff2572d314d1650fffb'),
	(16, '2026-11-27 23:57:41.424846+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SK64db69da926f9d979afa5d885e39705a', '4e14687a-7ef7-423f-a464-cc948444390a', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:41.422301+00:00","marker":"BLQ5DA4GAMYK"},"key_sid":"SK64db69da926f9d979afa5d885e39705a","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"4e14687a-7ef7-423f-a464-cc948444390a","risk":"low","sequence":16,"team":"Payments","time":"2026-11-27T23:57:41.424846+00:00"}', '\x66c27be16ac57139015ea8051e9d4bfa4c0a5d949039b4b4634a7b0c2b6ee674'),
	(17, '2026-11-27 23:57:41.581595+00', 'key.confirmed', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SKdf1c70d8ede4f75e56fa70db54a45af7', '699b77e7-d77d-4052-b11f-7aa3332df5c8', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.confirmed","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SKdf1c70d8ede4f75e56fa70db54a45af7","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"699b77e7-d77d-4052-b11f-7aa3332df5c8","risk":"low","sequence":17,"team":"Payments","time":"2026-11-27T23:57:41.581595+00:00"}', '\xa480386ad2c822e7aa7fee1ffaea8a556d20824731698c81ddc8df9e15bacbd6'),
	(18, '2026-11-27 23:57:41.6687+00', 'key.rotate_started', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SKf529c530c47bf7792b7b43a2686ddf22', 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.rotate_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":2,"marker":"6E2LD3B4J23T","overlap_hours":24},"key_sid":"SKf529c530c47bf7792b7b43a2686ddf22","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"b6bad47c-b803-4ca4-a66d-b597cd2ba36e","risk":"low","sequence":18,"team":"Payments","time":"2026-11-27T23:57:41.668700+00:00"}', '\x1f2e5c90ec5050e3b5ff7aaecd19219630be043d42d4f0b5db06a9ce005c11af'),
	(19, '2026-11-27 23:57:41.704413+00', 'key.rotated', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SKf529c530c47bf7792b7b43a2686ddf22', 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.rotated","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"retires":"2026-11-28T23:57:41.690219+00:00","successor":"SK8f4b382c082d12647b7cad53795bd0e1"},"key_sid":"SKf529c530c47bf7792b7b43a2686ddf22","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"b6bad47c-b803-4ca4-a66d-b597cd2ba36e","risk":"low","sequence":19,"team":"Payments","time":"2026-11-27T23:57:41.704413+00:00"}', '\x845d5c20f42d38c031e1a55f8e5a4a5127a4f21bbda72faaa4133b5a0d7c497c'),
	(20, '2026-11-27 23:57:41.713099+00', 'key.issued', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SK8f4b382c082d12647b7cad53795bd0e1', 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:40.777468+00:00","marker":"6E2LD3B4J23T","rotates":"SKf529c530c47bf7792b7b43a2686ddf22"},"key_sid":"SK8f4b382c082d12647b7cad53795bd0e1","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"b6bad47c-b803-4ca4-a66d-b597cd2ba36e","risk":"low","sequence":20,"team":"Payments","time":"2026-11-27T23:57:41.713099+00:00"}', '\xe754e7594b8f9801114e7015ea430473c665111c16eaafab644148309a089798'),
	(21, '2026-11-27 23:57:41.767222+00', 'key.revoke_started', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SK64db69da926f9d979afa5d885e39705a', '4e14687a-7ef7-423f-a464-cc948444390a', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'No longer needed.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.revoke_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SK64db69da926f9d979afa5d885e39705a","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"No longer needed.","request_id":"4e14687a-7ef7-423f-a464-cc948444390a","risk":"low","sequence":21,"team":"Payments","time":"2026-11-27T23:57:41.767222+00:00"}', '\xe48af042370aced9c2a2e46565b588e3ebe2a83d9d090e48776ef7498d8c67e0'),
	(22, '2026-11-27 23:57:41.792323+00', 'key.revoked', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'SK64db69da926f9d979afa5d885e39705a', '4e14687a-7ef7-423f-a464-cc948444390a', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'No longer needed.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"key.revoked","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SK64db69da926f9d979afa5d885e39705a","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"No longer needed.","request_id":"4e14687a-7ef7-423f-a464-cc948444390a","risk":"low","sequence":22,"team":"Payments","time":"2026-11-27T23:57:41.792323+00:00"}', '\x44a7797ce28c1bd19d1ea597ed5be2859d732d1577cf3f310c9c521fe76743b0'),
	(23, '2026-11-27 23:57:41.974979+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '5faa6d6b-a983-4c51-8bc1-31f75a522698', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"waits","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"5faa6d6b-a983-4c51-8bc1-31f75a522698","risk":"low","sequence":23,"team":"Payments","time":"2026-11-27T23:57:41.974979+00:00"}', '\xf04a50d282e3fe52d84d99ca3200e26db44cabe91b4027d48041170f01b0c962'),
	(24, '2026-11-27 23:57:42.1318+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '54727982-667c-4c89-8dcd-75568eaef9da', 'Payments', 'critical', '{"allow":["/twilio/iam/api-keys/create"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"half-approved","risk":"critical","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/iam/api-keys/create\"]}","reason":"A monthly report.","request_id":"54727982-667c-4c89-8dcd-75568eaef9da","risk":"critical","sequence":24,"team":"Payments","time":"2026-11-27T23:57:42.131800+00:00"}', '\xd664bc7e2560ab262b432e2d513a5e32e6f391589ee79a39e9af90e33c720155'),
	(25, '2026-11-27 23:57:42.402033+00', 'request.approval_given', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '54727982-667c-4c89-8dcd-75568eaef9da', 'Payments', 'critical', '{"allow":["/twilio/iam/api-keys/create"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.approval_given","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"458c481837f780c46714ac3ec7f6c0df217c2c79539523b396a5464f707b1250","needed":2},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/iam/api-keys/create\"]}","reason":"","request_id":"54727982-667c-4c89-8dcd-75568eaef9da","risk":"critical","sequence":25,"team":"Payments","time":"2026-11-27T23:57:42.402033+00:00"}', '\xf672ddda5e2480e758b073040a6b2b94549258cedb0bc3d3d51cff14074e4518'),
	(26, '2026-11-27 23:57:42.552575+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '6a180943-5630-43c8-a52e-4acbe7395a09', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"approved","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"6a180943-5630-43c8-a52e-4acbe7395a09","risk":"low","sequence":26,"team":"Payments","time":"2026-11-27T23:57:42.552575+00:00"}', '\x5829387c5f9e58af3548ce468d6bcb6f223c7c6aefc945fd2d809228009ab626'),
	(27, '2026-11-27 23:57:42.795948+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '6a180943-5630-43c8-a52e-4acbe7395a09', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"969dbb21772b2964c1aa1f667892ccdad7268e6a412c88ccfd7fcb55ff3a1596","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"6a180943-5630-43c8-a52e-4acbe7395a09","risk":"low","sequence":27,"team":"Payments","time":"2026-11-27T23:57:42.795948+00:00"}', '\x006fb08ff50460eeabfa49502ea413fa34af70edc6c473026c30a0b42e0d9323'),
	(28, '2026-11-27 23:57:42.946547+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', 'ea9d7864-9d8a-4343-bc74-440d9b22f463', 'Payments', 'high', '{"allow":["/twilio/messaging/messages/list","/twilio/messaging/messages/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"narrowed","risk":"high","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/messaging/messages/list\",\"/twilio/messaging/messages/read\"]}","reason":"A monthly report.","request_id":"ea9d7864-9d8a-4343-bc74-440d9b22f463","risk":"high","sequence":28,"team":"Payments","time":"2026-11-27T23:57:42.946547+00:00"}', '\x9b11f29294f015578716f83da5e75ee1daa4c521a8f8c414f31656e8c8c458cd'),
	(29, '2026-11-27 23:57:43.171649+00', 'request.narrowed', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', 'ea9d7864-9d8a-4343-bc74-440d9b22f463', 'Payments', 'high', '{"allow":["/twilio/messaging/messages/list"]}', 'Less is enough.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.narrowed","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"lifetime_from":30,"lifetime_to":30,"removed":["/twilio/messaging/messages/read"]},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/messaging/messages/list\"]}","reason":"Less is enough.","request_id":"ea9d7864-9d8a-4343-bc74-440d9b22f463","risk":"high","sequence":29,"team":"Payments","time":"2026-11-27T23:57:43.171649+00:00"}', '\xb9dd27a6d8811952689a078258b0971cf7a358844b54c948cfa1dd0d9f9f2eca'),
	(30, '2026-11-27 23:57:43.179193+00', 'request.approved', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', 'ea9d7864-9d8a-4343-bc74-440d9b22f463', 'Payments', 'high', '{"allow":["/twilio/messaging/messages/list"]}', 'Less is enough.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"dbeaae53945cc88c97820526b1116e4e8de20275ac40e3259987d8326eab5620","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/messaging/messages/list\"]}","reason":"Less is enough.","request_id":"ea9d7864-9d8a-4343-bc74-440d9b22f463","risk":"high","sequence":30,"team":"Payments","time":"2026-11-27T23:57:43.179193+00:00"}', '\x0861c65b27d192159e2693fd8c32c275ee7226cf79075c809c80a3d0258bcb8f'),
	(31, '2026-11-27 23:57:43.30535+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '0172cbe5-2a41-4546-9819-ce540c95ca83', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"refused","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"0172cbe5-2a41-4546-9819-ce540c95ca83","risk":"low","sequence":31,"team":"Payments","time":"2026-11-27T23:57:43.305350+00:00"}', '\x768f41eae49b577937c5f2bca18a09194ca3a9c3d21e5e4c34912c1acff7f338'),
	(32, '2026-11-27 23:57:43.478727+00', 'request.rejected', '3', 'Lead Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '0172cbe5-2a41-4546-9819-ce540c95ca83', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'Use the shared one.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.rejected","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"capacity":"lead"},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"Use the shared one.","request_id":"0172cbe5-2a41-4546-9819-ce540c95ca83","risk":"low","sequence":32,"team":"Payments","time":"2026-11-27T23:57:43.478727+00:00"}', '\xa4907f796cbd94deb9f262edee5a1a243ad16ef7f54c6a2379eb1c14a0c2b906'),
	(33, '2026-11-27 23:57:43.588437+00', 'request.created', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '83c704a6-fe9b-4362-9f0e-748b2d80613d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', 'A monthly report.', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"cancelled","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"83c704a6-fe9b-4362-9f0e-748b2d80613d","risk":"low","sequence":33,"team":"Payments","time":"2026-11-27T23:57:43.588437+00:00"}', '\x6b5359546c1f7e7b8589761b87d815680945cebb0d77500403a6c7a8f9889c60'),
	(34, '2026-11-27 23:57:43.65977+00', 'request.cancelled', '1', 'Engineer Person', '127.0.0.1', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', '', '83c704a6-fe9b-4362-9f0e-748b2d80613d', 'Payments', 'low', '{"allow":["/twilio/billing/usage/read"]}', '', '{"account_sid":"ACe8e418bd8ec75b67e6a7ff0d2866312c","action":"request.cancelled","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"83c704a6-fe9b-4362-9f0e-748b2d80613d","risk":"low","sequence":34,"team":"Payments","time":"2026-11-27T23:57:43.659770+00:00"}', '\x36ca32476c297276a5ed422f0e0d13c0914224ed6990993b20fab29795fa7f46');


--
-- Data for Name: audit_checkpoint; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_checkpoint VALUES
	(22, '\xe4e33faae6d5feb571e5c156448a3f288230342e4f4a253c5b1caec327dc3ca4', '2026-11-27 23:57:41.816687+00', '127.0.0.1/audit+d70e2d6b+AZvvnKAZdkUfRpGSMvQobh3uR30uvEXv/5SUupGoFOhb', '127.0.0.1/audit
22
5OM/qubV/rVx5cFWRIo/KIIwNC5PSiU8WxyuwyfcPKQ=

— 127.0.0.1/audit 1w4tazhvMTRRRoZ0UjX8MAMWpEyvVCQpaCeVDoY+qVZpMoCR+rK+B3ld+FTEr03jyQk5CCSjQp6KwGtCc4ISZwDKOAU=
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
	('text:f492b4a3a98fd42e33eb1e102f31dad757000fc9421669b75c132bde5a823286', 2),
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
	('text:wnqrkcaulv2l', 3),
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
	('text:wnqrkcaulv2l', 4),
	('text:2026', 4),
	('text:12', 4),
	('text:27t23', 4),
	('text:57', 4),
	('text:39', 4),
	('text:317434', 4),
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
	('text:90c211a1144ca39e2790b74a1c59463d1c29da0077afb467c298cd85a3bee149', 6),
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
	('text:3dcbls53ir3u', 7),
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
	('text:3dcbls53ir3u', 8),
	('text:2026', 8),
	('text:12', 8),
	('text:27t23', 8),
	('text:57', 8),
	('text:39', 8),
	('text:910990', 8),
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
	('text:1bf9854e6a991a38e5217a6cdf975f290c3f0580f33676314bc15c893713d14c', 10),
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
	('text:uk2jwuzbe45w', 11),
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
	('text:uk2jwuzbe45w', 12),
	('text:2026', 12),
	('text:12', 12),
	('text:27t23', 12),
	('text:57', 12),
	('text:40', 12),
	('text:777468', 12),
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
	('text:41e09602d8f9d38d4b0f186754d7d7a83619e2696faa7c4ee686d02d281a772e', 14),
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
	('text:blq5da4gamyk', 15),
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
	('text:blq5da4gamyk', 16),
	('text:2026', 16),
	('text:12', 16),
	('text:27t23', 16),
	('text:57', 16),
	('text:41', 16),
	('text:422301', 16),
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
	('text:6e2ld3b4j23t', 18),
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
	('text:sk8f4b382c082d12647b7cad53795bd0e1', 19),
	('text:2026', 19),
	('text:11', 19),
	('text:28t23', 19),
	('text:57', 19),
	('text:41', 19),
	('text:690219', 19),
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
	('text:skf529c530c47bf7792b7b43a2686ddf22', 20),
	('text:6e2ld3b4j23t', 20),
	('text:2026', 20),
	('text:12', 20),
	('text:27t23', 20),
	('text:57', 20),
	('text:40', 20),
	('text:777468', 20),
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
	('text:458c481837f780c46714ac3ec7f6c0df217c2c79539523b396a5464f707b1250', 25),
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
	('text:969dbb21772b2964c1aa1f667892ccdad7268e6a412c88ccfd7fcb55ff3a1596', 27),
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
	('text:dbeaae53945cc88c97820526b1116e4e8de20275ac40e3259987d8326eab5620', 30),
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
	(1, 0, '\x93d7ca7c3073deef6462c880974765288752a3010a84a58cba6ebb7c4380ff4a'),
	(1, 1, '\xec1a6e3006ce08908172a69bb11779de1af6b32b5b7f14269a68b2d5064ce591'),
	(2, 0, '\x012fa9c1dc04db9b9408c080ef30507a218702edbcdff7541a7fb22ec1ebe7bc'),
	(1, 2, '\x489ad6e14ef302050728e62fa8819cd7ac243f90e01d5d88881000ce9a08d466'),
	(1, 3, '\x95e82214b7f71d72db3151d3aaec5bcf9f058e074582550e4f1741b1024be590'),
	(2, 1, '\xb40d69984b37ea6d2b7be8de645566cb6a2d3459692657f1d2c1ab6ae3b64762'),
	(3, 0, '\xe25cf6f8325b94a7f84f31a5355f183e18417a37e8c01a6f01f7a11fdaed0a2d'),
	(1, 4, '\x2bd4e82914cdc5473d8c5201cd0cc7b440315658b53442b3f4dcb4767d575b3c'),
	(1, 5, '\x426da318e9c1d57d2ff0a9def80ade0759d827fb8c615c1640a448ebba1c4fa6'),
	(2, 2, '\x8b1c042cee2a5508f36e6f733a330bab09a766483b539453790d10a7cccc2f2a'),
	(1, 6, '\x2c6f2837ef9ad2f6ab3e4dae36836570637bf076433602f0e7e78faaeb4e537a'),
	(1, 7, '\xbe568b995e480267f1cef732ddc544a8542135d5866db0bd439d5e3d2018d6db'),
	(2, 3, '\xce86229c7ff48d395df5aa4a4d9d24b0a994ffb042c95bbf0d32cd0eb956f8ac'),
	(3, 1, '\x306a7e95e2afa86075e1c5833c83e5c3274e210c11df34514b54496cf28b8721'),
	(4, 0, '\x921d50c1b7ff0eb52c40fe5ae2370df979c0e97c73b6fdf359285acbfcf969a9'),
	(1, 8, '\x9fbe7d1fdcce2f9af5356ac1e1673ff60a0a3a1269a458c0a478ac351b2ac1ab'),
	(1, 9, '\x1ccf20db7abffea3f0ca1a08993d340a269793d13f9fbaee4a3bcf4d875d6179'),
	(2, 4, '\xa367371d7fc7793ce5d53a4f1d1b1f47e91b88ddae9ebbf5c38de467b22346a1'),
	(1, 10, '\xb2cb9ae8aefcd32f7bbec7d70c335dbe7eb68bcc6e218ac4dd50ff5157a85630'),
	(1, 11, '\xb295ebf0372e9875b5982544cf6f9343aa2575d466ee735e03e17f4b6c0d362a'),
	(2, 5, '\xf0e5861d546eede43227b1abec63d91b3fbaffe40f44971eb5b3680ee60bee11'),
	(3, 2, '\x61157dcc19be5cbf32e537f980bc7a041f2d19328c744ae5df7f2e0e6f6cbe66'),
	(1, 12, '\x921764079a1bb1b6a27868f5a24ded8876f49a8dc48f5b47d7da9265ca254ff2'),
	(1, 13, '\x65d2abfdeb5b4b9a804aa54ad6fde941fbebba1301285854c19ead90eb674263'),
	(2, 6, '\xf05d9d333df74982746f0c0d73be77665c9db1ae0cf929ef8ba0be5ed5040208'),
	(1, 14, '\xac1c6d80759b96def76e1449ea97110b0487719e9610a07f8a42d12c97f3a918'),
	(1, 15, '\xa5bf2ec0f6243c83d4cf2e73701d6a342b91cb7038b541616c36a004b21ae6ae'),
	(2, 7, '\x6368e00ba53ed54139223a0cbc92b0ec867670d5eebbffc37deb0f2eeae52f31'),
	(3, 3, '\x4d81121e7ba900b3b78c5dd71ed7b600599371e5771f534878f7aff855a933b8'),
	(4, 1, '\x724afec53a41c089bb75078ea4a3d992aa4536c142e33208805cccc87ece9236'),
	(5, 0, '\x2ce23640728ebc5e691721ceb37e26642e4c881ee6c3a09133350580f4de2f5f'),
	(1, 16, '\x7682cbdf356ce522ac14b03e0111f92ede3550f5009ca6e0832e177d2f2b8468');


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
	(2, '', NULL, false, 'colleague', 'Colleague', 'Person', '', false, true, '2026-11-27 23:57:38.560542+00'),
	(4, '', NULL, false, 'colead', 'Colead', 'Person', '', false, true, '2026-11-27 23:57:38.600511+00'),
	(5, '', NULL, false, 'engineer2', 'Engineer2', 'Person', '', false, true, '2026-11-27 23:57:38.620514+00'),
	(6, '', NULL, false, 'lead2', 'Lead2', 'Person', '', false, true, '2026-11-27 23:57:38.640562+00'),
	(7, '', NULL, false, 'security', 'Security', 'Person', '', false, true, '2026-11-27 23:57:38.662726+00'),
	(8, '', NULL, false, 'security2', 'Security2', 'Person', '', false, true, '2026-11-27 23:57:38.672536+00'),
	(10, '', NULL, false, 'stranger', 'Stranger', 'Person', '', false, true, '2026-11-27 23:57:38.680471+00'),
	(9, '', NULL, true, 'admin', 'Admin', 'Person', '', true, true, '2026-11-27 23:57:38.676436+00'),
	(3, '', '2026-11-27 23:57:43.325172+00', false, 'lead', 'Lead', 'Person', '', false, true, '2026-11-27 23:57:38.579226+00'),
	(1, '', '2026-11-27 23:57:43.609073+00', false, 'engineer', 'Engineer', 'Person', '', false, true, '2026-11-27 23:57:38.536487+00');


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
	(1, 'contenttypes', '0001_initial', '2026-11-27 23:57:30.992837+00'),
	(2, 'auth', '0001_initial', '2026-11-27 23:57:31.208569+00'),
	(3, 'account', '0001_initial', '2026-11-27 23:57:31.306142+00'),
	(4, 'account', '0002_email_max_length', '2026-11-27 23:57:31.330394+00'),
	(5, 'account', '0003_alter_emailaddress_create_unique_verified_email', '2026-11-27 23:57:31.425765+00'),
	(6, 'account', '0004_alter_emailaddress_drop_unique_email', '2026-11-27 23:57:31.453104+00'),
	(7, 'account', '0005_emailaddress_idx_upper_email', '2026-11-27 23:57:31.476494+00'),
	(8, 'account', '0006_emailaddress_lower', '2026-11-27 23:57:31.494942+00'),
	(9, 'account', '0007_emailaddress_idx_email', '2026-11-27 23:57:31.526217+00'),
	(10, 'account', '0008_emailaddress_unique_primary_email_fixup', '2026-11-27 23:57:31.549661+00'),
	(11, 'account', '0009_emailaddress_unique_primary_email', '2026-11-27 23:57:31.574005+00'),
	(12, 'admin', '0001_initial', '2026-11-27 23:57:31.636432+00'),
	(13, 'admin', '0002_logentry_remove_auto_add', '2026-11-27 23:57:31.648615+00'),
	(14, 'admin', '0003_logentry_add_action_flag_choices', '2026-11-27 23:57:31.65972+00'),
	(15, 'audit', '0001_initial', '2026-11-27 23:57:31.812829+00'),
	(16, 'audit', '0002_append_only', '2026-11-27 23:57:31.853855+00'),
	(17, 'contenttypes', '0002_remove_content_type_name', '2026-11-27 23:57:31.886963+00'),
	(18, 'auth', '0002_alter_permission_name_max_length', '2026-11-27 23:57:31.918804+00'),
	(19, 'auth', '0003_alter_user_email_max_length', '2026-11-27 23:57:32.056384+00'),
	(20, 'auth', '0004_alter_user_username_opts', '2026-11-27 23:57:32.068088+00'),
	(21, 'auth', '0005_alter_user_last_login_null', '2026-11-27 23:57:32.08845+00'),
	(22, 'auth', '0006_require_contenttypes_0002', '2026-11-27 23:57:32.092402+00'),
	(23, 'auth', '0007_alter_validators_add_error_messages', '2026-11-27 23:57:32.108573+00'),
	(24, 'auth', '0008_alter_user_username_max_length', '2026-11-27 23:57:32.14079+00'),
	(25, 'auth', '0009_alter_user_last_name_max_length', '2026-11-27 23:57:32.158233+00'),
	(26, 'auth', '0010_alter_group_name_max_length', '2026-11-27 23:57:32.172383+00'),
	(27, 'auth', '0011_update_proxy_permissions', '2026-11-27 23:57:32.197828+00'),
	(28, 'auth', '0012_alter_user_first_name_max_length', '2026-11-27 23:57:32.217322+00'),
	(29, 'keys_app', '0001_initial', '2026-11-27 23:57:36.465502+00'),
	(30, 'keys_app', '0002_database_rules', '2026-11-27 23:57:36.537448+00'),
	(31, 'keys_app', '0003_groups', '2026-11-27 23:57:36.596499+00'),
	(32, 'post_office', '0001_initial', '2026-11-27 23:57:36.824627+00'),
	(33, 'post_office', '0002_add_i18n_and_backend_alias', '2026-11-27 23:57:37.373921+00'),
	(34, 'post_office', '0003_longer_subject', '2026-11-27 23:57:37.412586+00'),
	(35, 'post_office', '0004_auto_20160607_0901', '2026-11-27 23:57:37.588237+00'),
	(36, 'post_office', '0005_auto_20170515_0013', '2026-11-27 23:57:37.616848+00'),
	(37, 'post_office', '0006_attachment_mimetype', '2026-11-27 23:57:37.647787+00'),
	(38, 'post_office', '0007_auto_20170731_1342', '2026-11-27 23:57:37.655143+00'),
	(39, 'post_office', '0008_attachment_headers', '2026-11-27 23:57:37.68166+00'),
	(40, 'post_office', '0009_requeued_mode', '2026-11-27 23:57:37.728442+00'),
	(41, 'post_office', '0010_message_id', '2026-11-27 23:57:37.80317+00'),
	(42, 'post_office', '0011_models_help_text', '2026-11-27 23:57:37.843795+00'),
	(43, 'post_office', '0012_alter_attachment_file_storage', '2026-11-27 23:57:37.876292+00'),
	(44, 'post_office', '0013_email_recipient_delivery_status_alter_log_status', '2026-11-27 23:57:37.897053+00'),
	(45, 'post_office', '0014_alter_email_recipient_delivery_status_and_more', '2026-11-27 23:57:37.919047+00'),
	(46, 'sessions', '0001_initial', '2026-11-27 23:57:37.974404+00');


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
	('[]', '[]', '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 'Shop', 'staging', NULL, 1, true, 'SK4d3d55032cfa5fdc9ff41ffe3641a747', 'not in this dump', '2026-11-27 23:57:38.497912+00'),
	('[]', '[]', '', 'AC00000000000000000000000000000002', 'Helpdesk', 'staging', NULL, 1, true, 'SK00000000000000000000000000000000', 'not in this dump', '2026-11-27 23:57:38.520677+00');


--
-- Data for Name: keys_app_account_teams; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_account_teams VALUES
	(1, 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 1),
	(2, 'AC00000000000000000000000000000002', 2);


--
-- Data for Name: keys_app_accountcheck; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keys_app_apikey; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_apikey VALUES
	('SK0682f5c27c146d67303d5f7faac20b83', 'fresh [kp:WNQRKCAULV2L]', '{"allow":["/twilio/billing/usage/read"]}', 'active', '2026-11-27 23:57:39.317434+00', '2026-12-27 23:57:39.317434+00', NULL, NULL, NULL, NULL, '', NULL, '2026-11-27 23:57:39.317434+00', '', NULL, NULL, NULL, 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 1, 1, '12ec41dc-fb85-4beb-b1c6-604a65221de9', 1),
	('SKdf1c70d8ede4f75e56fa70db54a45af7', 'confirmed [kp:3DCBLS53IR3U]', '{"allow":["/twilio/billing/usage/read"]}', 'active', '2026-11-27 23:57:39.91099+00', '2026-12-27 23:57:39.91099+00', '2026-11-27 23:57:41.570198+00', NULL, NULL, NULL, '', NULL, '2026-11-27 23:57:39.91099+00', '', NULL, NULL, NULL, 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 1, 2, '699b77e7-d77d-4052-b11f-7aa3332df5c8', 1),
	('SKf529c530c47bf7792b7b43a2686ddf22', 'retiring [kp:UK2JWUZBE45W]', '{"allow":["/twilio/billing/usage/read"]}', 'active', '2026-11-27 23:57:40.777468+00', '2026-12-27 23:57:40.777468+00', NULL, '2026-11-28 23:57:41.690219+00', NULL, NULL, '', NULL, '2026-11-27 23:57:40.777468+00', '', NULL, NULL, NULL, 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 1, 3, 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 1),
	('SK8f4b382c082d12647b7cad53795bd0e1', 'retiring [kp:6E2LD3B4J23T]', '{"allow":["/twilio/billing/usage/read"]}', 'active', '2026-11-27 23:57:41.691437+00', '2026-12-27 23:57:40.777468+00', NULL, NULL, NULL, NULL, '', NULL, '2026-11-27 23:57:41.691437+00', '', NULL, NULL, NULL, 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 1, 5, 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 1),
	('SK64db69da926f9d979afa5d885e39705a', 'revoked [kp:BLQ5DA4GAMYK]', '{"allow":["/twilio/billing/usage/read"]}', 'revoked', '2026-11-27 23:57:41.422301+00', '2026-12-27 23:57:41.422301+00', NULL, NULL, NULL, '2026-11-27 23:57:41.779562+00', 'No longer needed.', NULL, '2026-11-27 23:57:41.422301+00', '', NULL, NULL, NULL, 'ACe8e418bd8ec75b67e6a7ff0d2866312c', 1, 4, '4e14687a-7ef7-423f-a464-cc948444390a', 1);


--
-- Data for Name: keys_app_approval; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_approval VALUES
	(1, 'lead', '', 'approved', 1, 'f492b4a3a98fd42e33eb1e102f31dad757000fc9421669b75c132bde5a823286', '', '2026-11-27 23:57:39.050669+00', NULL, '', 3, 3, NULL, '12ec41dc-fb85-4beb-b1c6-604a65221de9'),
	(2, 'lead', '', 'approved', 1, '90c211a1144ca39e2790b74a1c59463d1c29da0077afb467c298cd85a3bee149', '', '2026-11-27 23:57:39.740325+00', NULL, '', 3, 3, NULL, '699b77e7-d77d-4052-b11f-7aa3332df5c8'),
	(3, 'lead', '', 'approved', 1, '1bf9854e6a991a38e5217a6cdf975f290c3f0580f33676314bc15c893713d14c', '', '2026-11-27 23:57:40.594232+00', NULL, '', 3, 3, NULL, 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e'),
	(4, 'lead', '', 'approved', 1, '41e09602d8f9d38d4b0f186754d7d7a83619e2696faa7c4ee686d02d281a772e', '', '2026-11-27 23:57:41.206335+00', NULL, '', 3, 3, NULL, '4e14687a-7ef7-423f-a464-cc948444390a'),
	(5, 'lead', '', 'approved', 1, '458c481837f780c46714ac3ec7f6c0df217c2c79539523b396a5464f707b1250', '', '2026-11-27 23:57:42.346427+00', NULL, '', 3, 3, NULL, '54727982-667c-4c89-8dcd-75568eaef9da'),
	(6, 'lead', '', 'approved', 1, '969dbb21772b2964c1aa1f667892ccdad7268e6a412c88ccfd7fcb55ff3a1596', '', '2026-11-27 23:57:42.781665+00', NULL, '', 3, 3, NULL, '6a180943-5630-43c8-a52e-4acbe7395a09'),
	(7, 'lead', '', 'approved', 1, 'dbeaae53945cc88c97820526b1116e4e8de20275ac40e3259987d8326eab5620', 'Less is enough.', '2026-11-27 23:57:43.157686+00', NULL, '', 3, 3, NULL, 'ea9d7864-9d8a-4343-bc74-440d9b22f463'),
	(8, 'lead', '', 'rejected', 1, '3db91fe038fe6517ce23ab7351857fb168fd9a15d840899cdb459894eb319559', 'Use the shared one.', '2026-11-27 23:57:43.469316+00', NULL, '', 3, 3, NULL, '0172cbe5-2a41-4546-9819-ce540c95ca83');


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
	(1, 1, 'WNQRKCAULV2L', 'issued', '2026-11-27 23:57:39.246791+00', '2026-11-27 23:57:39.305172+00', NULL, '', 'SK0682f5c27c146d67303d5f7faac20b83', '', 0, NULL, NULL, '12ec41dc-fb85-4beb-b1c6-604a65221de9'),
	(2, 1, '3DCBLS53IR3U', 'issued', '2026-11-27 23:57:39.88165+00', '2026-11-27 23:57:39.90765+00', NULL, '', 'SKdf1c70d8ede4f75e56fa70db54a45af7', '', 0, NULL, NULL, '699b77e7-d77d-4052-b11f-7aa3332df5c8'),
	(3, 1, 'UK2JWUZBE45W', 'issued', '2026-11-27 23:57:40.740323+00', '2026-11-27 23:57:40.774385+00', NULL, '', 'SKf529c530c47bf7792b7b43a2686ddf22', '', 0, NULL, NULL, 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e'),
	(4, 1, 'BLQ5DA4GAMYK', 'issued', '2026-11-27 23:57:41.390612+00', '2026-11-27 23:57:41.419603+00', NULL, '', 'SK64db69da926f9d979afa5d885e39705a', '', 0, NULL, NULL, '4e14687a-7ef7-423f-a464-cc948444390a'),
	(5, 2, '6E2LD3B4J23T', 'issued', '2026-11-27 23:57:41.659713+00', '2026-11-27 23:57:41.687544+00', NULL, '', 'SK8f4b382c082d12647b7cad53795bd0e1', '', 0, 24, 'SKf529c530c47bf7792b7b43a2686ddf22', 'b6bad47c-b803-4ca4-a66d-b597cd2ba36e');


--
-- Data for Name: keys_app_keyrequest; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_keyrequest VALUES
	('12ec41dc-fb85-4beb-b1c6-604a65221de9', 'fresh', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', 'f492b4a3a98fd42e33eb1e102f31dad757000fc9421669b75c132bde5a823286', 'low', 1, '', '', 'issued', '2026-11-27 23:57:38.874434+00', '2026-11-27 23:57:39.053595+00', '2026-11-30 23:57:39.053595+00', NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('699b77e7-d77d-4052-b11f-7aa3332df5c8', 'confirmed', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', '90c211a1144ca39e2790b74a1c59463d1c29da0077afb467c298cd85a3bee149', 'low', 1, '', '', 'issued', '2026-11-27 23:57:39.461908+00', '2026-11-27 23:57:39.744346+00', '2026-11-30 23:57:39.744346+00', NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('4e14687a-7ef7-423f-a464-cc948444390a', 'revoked', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', '41e09602d8f9d38d4b0f186754d7d7a83619e2696faa7c4ee686d02d281a772e', 'low', 1, '', '', 'issued', '2026-11-27 23:57:40.880955+00', '2026-11-27 23:57:41.210533+00', '2026-11-30 23:57:41.210533+00', NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('b6bad47c-b803-4ca4-a66d-b597cd2ba36e', 'retiring', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', '1bf9854e6a991a38e5217a6cdf975f290c3f0580f33676314bc15c893713d14c', 'low', 1, '', '', 'issued', '2026-11-27 23:57:40.049566+00', '2026-11-27 23:57:40.604907+00', '2026-11-30 23:57:40.604907+00', NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('5faa6d6b-a983-4c51-8bc1-31f75a522698', 'waits', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', '7765a0b86ea8d7aedc95bccb42049c2054ebd6f684b5a2a18da6e5d3b49b551c', 'low', 1, '', '', 'pending', '2026-11-27 23:57:41.913328+00', NULL, NULL, NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('54727982-667c-4c89-8dcd-75568eaef9da', 'half-approved', 'A monthly report.', '', 30, '{"allow":["/twilio/iam/api-keys/create"]}', '458c481837f780c46714ac3ec7f6c0df217c2c79539523b396a5464f707b1250', 'critical', 1, '', '', 'pending', '2026-11-27 23:57:42.065352+00', NULL, NULL, NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('6a180943-5630-43c8-a52e-4acbe7395a09', 'approved', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', '969dbb21772b2964c1aa1f667892ccdad7268e6a412c88ccfd7fcb55ff3a1596', 'low', 1, '', '', 'approved', '2026-11-27 23:57:42.499778+00', '2026-11-27 23:57:42.78872+00', '2026-11-30 23:57:42.78872+00', NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('0172cbe5-2a41-4546-9819-ce540c95ca83', 'refused', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', '3db91fe038fe6517ce23ab7351857fb168fd9a15d840899cdb459894eb319559', 'low', 1, '', '', 'rejected', '2026-11-27 23:57:43.250451+00', NULL, NULL, NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('ea9d7864-9d8a-4343-bc74-440d9b22f463', 'narrowed', 'A monthly report.', '', 30, '{"allow":["/twilio/messaging/messages/list"]}', 'dbeaae53945cc88c97820526b1116e4e8de20275ac40e3259987d8326eab5620', 'high', 1, '', '', 'approved', '2026-11-27 23:57:42.885103+00', '2026-11-27 23:57:43.164671+00', '2026-11-30 23:57:43.164671+00', NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1),
	('83c704a6-fe9b-4362-9f0e-748b2d80613d', 'cancelled', 'A monthly report.', '', 30, '{"allow":["/twilio/billing/usage/read"]}', 'd9aa3041e199ff920fb5f260e2bc236757d3dbf72361180a54ff5e06c54e10ec', 'low', 1, '', '', 'cancelled', '2026-11-27 23:57:43.541339+00', NULL, NULL, NULL, '', 'ACe8e418bd8ec75b67e6a7ff0d2866312c', NULL, 1, 1);


--
-- Data for Name: keys_app_narrowing; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_narrowing VALUES
	(1, '{"allow":["/twilio/messaging/messages/list","/twilio/messaging/messages/read"]}', '{"allow":["/twilio/messaging/messages/list"]}', 30, 30, '859a36c22b72324f9587498c731b2c7fae2c56468a914296e4e727d86e72829a', 'dbeaae53945cc88c97820526b1116e4e8de20275ac40e3259987d8326eab5620', 'Less is enough.', '2026-11-27 23:57:43.147045+00', 3, 'ea9d7864-9d8a-4343-bc74-440d9b22f463');


--
-- Data for Name: keys_app_noticekey; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys_app_noticekey VALUES
	('1e0f6bd9-83c3-4959-9769-3009869faff3', 'audit.checkpoint:be1c0bf7e32fbcaa5f5a529ebd66a462e01796bf975b9809997560937e965c4e', '2026-11-27 23:57:41.828915+00');


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


