"""Statistics of PostgreSQL."""

from django.db import models


class Connection(models.Model):
    """The connections. The query takes long."""

    pid = models.IntegerField(primary_key=True)
    application_name = models.TextField()

    class Meta:
        managed = False
        db_table = "pg_stat_activity"


class Database(models.Model):
    """Quickly said."""

    oid = models.IntegerField(primary_key=True)
    datname = models.TextField()

    class Meta:
        managed = False
        db_table = "pg_database"
