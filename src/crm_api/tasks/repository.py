"""How tasks are read from and written to their table."""

from crm_api.clients.lookups import client_is_there, client_name
from crm_api.kit.listing import Listing, nulls_last
from crm_api.kit.projection import Shape
from crm_api.models import TaskRow, table_of
from crm_api.tasks.schemas import Task

TASKS = table_of(TaskRow)

TASK_SHAPE = Shape(
    resource=Task,
    table=TASKS,
    expansions={"client": (("clients", "name"), client_name)},
    there=client_is_there,
)
TASK_LISTING = Listing(
    shape=TASK_SHAPE,
    filters={},
    sorts={"due_on": nulls_last("due_on", "-infinity", "infinity", "date")},
)
