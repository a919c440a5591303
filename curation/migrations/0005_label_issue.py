"""cleanlab's own verdict beside its score."""

from django.db import migrations, models


class AddMissing(migrations.AddField):
    """Adds a column unless it is there: for some time a migration of another name made this one."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        """As the base, if there is anything to do."""
        table = to_state.apps.get_model(app_label, self.model_name)._meta.db_table
        with schema_editor.connection.cursor() as cursor:
            columns = schema_editor.connection.introspection.get_table_description(cursor, table)
        if self.name not in {column.name for column in columns}:
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0004_priorities"),
    ]

    operations = [
        AddMissing(
            model_name="assessment",
            name="label_issue",
            field=models.BooleanField(
                help_text="cleanlab's own verdict on the label, with its defaults", null=True
            ),
        ),
    ]
