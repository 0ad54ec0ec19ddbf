"""What is still to be published."""

from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.realms.records.installs import News
from shared.database import Connection


async def news_insert(connection: Connection, topic: str, content: dict[str, Any]) -> None:
    """Something is to be published, once this transaction is committed."""
    await connection.execute("INSERT INTO realms.news (topic, content) VALUES (%s, %s)", [topic, Jsonb(content)])


async def news_list(connection: Connection, cells: list[str], limit: int) -> list[News]:
    """At most `limit` of what is to be published of projects that are in those cells, or nowhere, the oldest first."""
    async with connection.cursor(row_factory=class_row(News)) as cursor:
        await cursor.execute(
            "SELECT n.news_key, n.topic, n.content, c.name AS cell FROM realms.news n"
            " LEFT JOIN realms.project p ON p.project_key = (n.content ->> 'project_key')::bigint"
            " LEFT JOIN realms.cell c USING (cell_key)"
            " WHERE c.name = ANY (%s) OR c.name IS NULL ORDER BY n.news_key LIMIT %s",
            [cells, limit],
        )
        return await cursor.fetchall()


async def news_delete(connection: Connection, news_key: int) -> None:
    """It was published."""
    await connection.execute("DELETE FROM realms.news WHERE news_key = %s", [news_key])
