-- What of tunnels goes with a project: that they were declared.

SELECT 'tunnels.tunnel' AS part, to_jsonb(t) AS content FROM tunnels.tunnel t WHERE t.project_key = %(project)s
