-- What people had in a project, for its next owner to look through: nothing of it is given again by itself.

SELECT 'review.member' AS part, jsonb_build_object('login_name', a.login_name) AS content
    FROM privileges.member m JOIN auth.account a USING (account_key)
    WHERE m.project_key = %(project)s AND a.erased_at IS NULL
UNION ALL SELECT 'review.right', jsonb_build_object('login_name', a.login_name, 'flag', h.flag, 'kind', h.kind, 'key', h.asset_key)
    FROM privileges.held_flag h JOIN auth.account a USING (account_key)
    WHERE h.domain_kind = 'project' AND h.domain_key = %(project)s AND a.erased_at IS NULL
UNION ALL SELECT 'review.default_right', jsonb_build_object('kind', f.kind, 'flag', f.flag)
    FROM privileges.default_flag f WHERE f.project_key = %(project)s
