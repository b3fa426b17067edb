"""Answers questions (stdin) through NVIDIA's own Python client; ask-library.ts does the same.

What is compared are its functions where they give numbers, texts and lists, and its own structs where
they fill one. Numbers are texts; what cannot be read is {"ok": false, "reason": <its error's name>}.
"""

import json
import sys
from ctypes import POINTER, byref, cast

import pynvml as nvml

REASONS = {
    value: name[len("NVML_ERROR_"):].lower()
    for name, value in vars(nvml).items()
    if name.startswith("NVML_ERROR_") and isinstance(value, int)
}
NOT_AVAILABLE = 0xFFFFFFFFFFFFFFFF


def plain(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, (str, bool)) else str(value)


def handle_of(gpu, mig=None, instance=None):
    device = nvml.nvmlDeviceGetHandleByIndex(gpu)
    if mig is not None:
        return nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, mig)
    return device if instance is None else nvml.nvmlDeviceGetGpuInstanceById(device, instance)


def defined(name):
    """A number of nvml.h by the client's own word; it has tuples for some, which ctypes does not take."""
    number = getattr(nvml, name)
    return number[0] if isinstance(number, tuple) else number


def given(question_input):
    if "gpu" in question_input:
        return handle_of(**question_input)
    if "fields" in question_input:
        return [(defined(field["define"]), field["scope"]) for field in question_input["fields"]]
    return question_input["index"] if "index" in question_input else defined(question_input["define"])


# ---- structs: the client's own, by the name of the type in nvml.h ----

def struct_class(name):
    names = (f"c_{name}", name, f"c_{name[:-2]}", f"c_{name.replace('_v1_t', '_t')}")
    return next(getattr(nvml, each) for each in names if hasattr(nvml, each))


def cleared(struct):
    made = struct_class(struct["name"])()
    bare = struct.get("bareVersion", {}).get("name")
    version = getattr(nvml, bare or struct["name"][:-2], None)
    if isinstance(version, int):
        made.version = version
    return made


def member(struct, path, kind):
    """One member where the client's layout has it, in the form that our table says."""
    raw, kind_of = bytes(struct), type(struct)
    start = 0
    for name in path.split("."):
        # The client calls the flag of unrepairable memory by another name.
        field = getattr(kind_of, name, None) or getattr(kind_of, name[1].lower() + name[2:])
        start, size = start + field.offset, field.size
        kind_of = dict((each[0], each[1]) for each in kind_of._fields_).get(name)
    part = raw[start:start + size]
    if kind.startswith("char"):
        return part.split(b"\0")[0].decode()
    if kind.startswith("bytes"):
        return part.hex()
    return str(int.from_bytes(part, "little", signed=kind.startswith("int")))


def members(struct, shape):
    """Arrays of structs within one are not read."""
    return {
        path: member(struct, path, kind) for path, kind in shape.items() if "[" not in path
    }


def pointed_list(function, handle, output):
    struct = cleared(output["struct"])
    for name, value in output.get("given", {}).items():
        setattr(struct, name, value)
    code = function(handle, byref(struct))
    length = getattr(struct, output["count"])
    if code not in (nvml.NVML_SUCCESS, nvml.NVML_ERROR_INSUFFICIENT_SIZE) or length == 0:
        nvml._nvmlCheckReturn(code)
        return []
    kind = struct_class(output["item"]["name"])
    items = (kind * length)()
    setattr(struct, output["pointer"], cast(items, POINTER(kind)))
    nvml._nvmlCheckReturn(function(handle, byref(struct)))
    return [members(item, output["item"]["members"]) for item in items]


# ---- many answers at once, each with its return code ----

def each(code, value):
    return {"ok": True, "value": plain(value)} if code == 0 else {"ok": False, "reason": REASONS[code]}


def field_values(device, asked):
    forms = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
    return [
        each(field.nvmlReturn, getattr(field.value, forms[field.valueType]))
        for field in nvml.nvmlDeviceGetFieldValues(device, asked)
    ]


METRICS = ("SM_UTIL", "SM_OCCUPANCY", "ANY_TENSOR_UTIL", "DRAM_BW_UTIL", "FP64_UTIL", "FP32_UTIL",
           "FP16_UTIL", "PCIE_TX_PER_SEC", "PCIE_RX_PER_SEC", "NVLINK_TOTAL_TX_PER_SEC",
           "NVLINK_TOTAL_RX_PER_SEC")


def metrics(device):
    samples = [nvml.nvmlGpmSampleGet(device, nvml.nvmlGpmSampleAlloc()) for _ in range(2)]
    asked = nvml.c_nvmlGpmMetricsGet_t()
    asked.version = nvml.NVML_GPM_METRICS_GET_VERSION
    asked.numMetrics = len(METRICS)
    asked.sample1, asked.sample2 = samples
    for place, name in enumerate(METRICS):
        asked.metrics[place].metricId = getattr(nvml, f"NVML_GPM_METRIC_{name}")
    nvml.nvmlGpmMetricsGet(asked)
    for sample in samples:
        nvml.nvmlGpmSampleFree(sample)
    return [each(asked.metrics[place].nvmlReturn, asked.metrics[place].value)
            for place in range(len(METRICS))]


def list_item(item, shape):
    if not isinstance(shape, dict):
        return plain(item)
    values = {name: getattr(item, name) for name in shape["members"]}
    return {name: plain(NOT_AVAILABLE if value is None else value) for name, value in values.items()}


def value_of(question):
    output, symbol = question["output"], question["symbol"]
    inputs = [given(each_input) for each_input in question["inputs"]]
    wrapper = getattr(nvml, symbol, None) or getattr(nvml, symbol.rsplit("_v", 1)[0], None)
    match output["kind"]:
        case "handle":
            return bool(wrapper(*inputs))
        case "scalar" | "text" | "unsizedText":
            return plain(wrapper(*inputs))
        case "scalars":
            return dict(zip(output["members"], map(plain, wrapper(*inputs))))
        case "struct":
            struct = cleared(output["struct"])
            function = nvml._nvmlGetFunctionPointer(symbol)
            nvml._nvmlCheckReturn(function(*inputs, byref(struct)))
            return members(struct, output["struct"]["members"])
        case "list":
            return [list_item(item, output["item"]) for item in wrapper(*inputs)]
        case "pointedList":
            return pointed_list(nvml._nvmlGetFunctionPointer(symbol), inputs[0], output)
        case "bits":
            scope = [output["scope"]] if "scope" in output else []
            words = wrapper(*inputs, output["words"], *scope)
            return [str(64 * at + bit) for at, word in enumerate(words)
                    for bit in range(64) if word >> bit & 1]
        case "fields":
            return field_values(*inputs)
        case "metrics":
            return metrics(*inputs)


def answer_to(question):
    try:
        return {"ok": True, "value": value_of(question)}
    except nvml.NVMLError as error:
        return {"ok": False, "reason": REASONS[error.value]}


try:
    nvml.nvmlInit()
except nvml.NVMLError:
    # The library is loaded all the same, and each function says what it can.
    pass
print(json.dumps([answer_to(question) for question in json.load(sys.stdin)]))
