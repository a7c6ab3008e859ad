"""cm_resource.json."""

from __future__ import annotations

import pytest

from exporter.errors import ParseError
from exporter.installation.cm_resource import parse_cm_resource
from exporter.installation.facts import CmResource, ResourceInstance

REAL = """
{"resources": [
  {"name": "dms_res", "resources_type": "DN", "script": "/opt/huawei/install/app/bin/dms_contrl.sh",
   "check_interval": 1, "time_out": 120, "restart_times": 5, "restart_delay": 1},
  {"name": "dss", "resources_type": "APP", "script": "/opt/huawei/install/app/bin/dss_contrl.sh",
   "instances": [
     {"node_id": 1, "res_instance_id": 0, "res_args": "/opt/huawei/install/dss /opt/data/dn"},
     {"node_id": 2, "res_instance_id": 1, "res_args": "/opt/huawei/install/dss /opt/data/dn"}]},
  {"name": "VIP_az1", "resources_type": "VIP", "float_ip": "10.77.0.100",
   "instances": [{"node_id": 1, "res_instance_id": 6001, "inst_attr": "base_ip=10.77.0.1"}]},
  {"name": "extra", "resource_type": "app", "instances": [{"node_id": "2", "res_instance_id": "7"}]}
]}
"""


def test_the_resources_of_resource_pooling_are_read() -> None:
    """Kinds, scripts and places are read; applications have CM's numbers, counted over the file."""
    arguments = "/opt/huawei/install/dss /opt/data/dn"
    assert parse_cm_resource(REAL) == (
        CmResource("dms_res", "DN", "/opt/huawei/install/app/bin/dms_contrl.sh"),
        CmResource(
            "dss",
            "APP",
            "/opt/huawei/install/app/bin/dss_contrl.sh",
            (ResourceInstance(20001, 1, arguments), ResourceInstance(20002, 2, arguments)),
        ),
        CmResource("VIP_az1", "VIP", "", (ResourceInstance(6001, 1, ""),)),
        CmResource("extra", "APP", "", (ResourceInstance(20003, 2, ""),)),
    )


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"resources": []}'])
def test_no_resources_are_no_error(text: str) -> None:
    """CM lets the file be empty."""
    assert parse_cm_resource(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"RESOURCES": [{"Name": "a", "Resources_Type": "DN", "SCRIPT": "/s"}]}',
        '{"resources": [{"name": "a", "NAME": "b", "resources_type": "DN", "script": "/s"}]}',
        '{"resources": [{"NAME": "a", "name": "b", "resources_type": "DN", "script": "/s"}]}',
        '{"resources": [{"name": "a", "resources_type": "DN", "script": "/s"}], "Resources": []}',
        '{"resources": [{"name": "a", "resources_type": "DN", "script": "/s"}]} # by hand\n}',
        '{"resources": [{"name": "a", "resources_type": "DN", "script": "/s"}]}{"resources": []}',
        '\ufeff {"resources": [{"name": "a", "resources_type": "DN", "script": "/s"}]}',
        '\v{"resources": [{"name": "a", "resources_type": "DN", "script": "/s"}]}\0\0',
        '{"resources": [{"name": "a", "resources_type": "DN", "script": "/s", "x": "1\t2\n"}]}',
    ],
    ids=range(9),
)
def test_what_cm_reads_is_read(text: str) -> None:
    """Keys in any case, the first of equal ones, a mark before the text, and anything behind it."""
    assert parse_cm_resource(text) == (CmResource("a", "DN", "/s"),)


def test_a_key_is_another_when_not_only_the_case_differs() -> None:
    """Letters are CM's, those of ASCII: no other is taken for one of them."""
    assert parse_cm_resource('{"re\u017fource\u017f": [{"name": 1}], "resources ": 1}') == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "an object: expected an object, found list"),
        ("{\n\n", "line 3: "),
        ('{"resources": {}}', "resources: expected a list, found dict"),
        ('{"resources": [1]}', r"resources\[0\]: expected an object, found int"),
        ('{"resources": [{"name": 1}]}', "name: expected a string, found int"),
        ('{"resources": [{"resources_type": []}]}', "resources_type: expected a string"),
        ('{"resources": [{"instances": [{"node_id": 1.5}]}]}', "node_id: expected a number"),
        ('{"resources": [{"instances": [{"node_id": true}]}]}', "node_id: expected a number"),
        ('{"resources": [{"instances": [{"node_id": -1}]}]}', "node_id: expected a number"),
        ("[" * 100000, "expected a resource list"),
        ('{"resources": ' + "1" * 10000 + "}", "expected a"),
        ("x" * (1 << 20) + "x", "expected at most"),
        ("# by hand\n{}", "line 1: "),
        ('{"resources": [', "line 1: "),
        ('{"RESOURCES": {}}', "resources: expected a list, found dict"),
    ],
    ids=range(15),
)
def test_another_shape_is_an_error(text: str, message: str) -> None:
    """The message tells what was expected and where."""
    with pytest.raises(ParseError, match=message):
        parse_cm_resource(text)
