"""What PostgreSQL says of itself."""

from django.db import models


class Connection(models.Model):
    """Who is connected. It takes long to say."""

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
