"""What the files of installed frameworks say of the accelerator that they were built for. Text is read, nothing is imported.

torch, torchvision and torchaudio write a ``version.py``; tensorflow a ``build_info.py``; onnxruntime a
``build_and_package_info.py``; jax names the oldest jaxlib that it takes; of the others the name or the local version tells
(``cupy-cuda12x``, ``torch-scatter 2.1.2+pt25cu124``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.lazy import pattern
from envdoctor.snapshot import Distribution, Framework, Site

_MAX = 1 << 18
_ASSIGNED = r"^{name}(?:[ \t]{{0,9}}:[^=\n]{{1,80}})?[ \t]{{0,9}}=[ \t]{{0,9}}(None|['\"]([^'\"\n]{{0,200}})['\"])"
_EXTENSIONS = {"torchvision": "torchvision", "torchaudio": "torchaudio", "torchtext": "torchtext"}
_CUDA_TAG = pattern(r"(?:^|[.+_-])(?:pt\d+|torch\d[\d.]*?)?cu(\d{2,3})(?=\D|$)")
_ROCM_TAG = pattern(r"(?:^|[.+_-])rocm(\d+(?:\.\d+)*)")
_TORCH_TAG = pattern(r"(?:^|[.+_-]|cu\d{2,3})(?:pt|torch)(\d)\.?(\d{1,2})(?=\D|$)")
_CUPY = pattern(r"cupy-cuda(\d{2,3})x?")
_JAX_PLUGIN = pattern(r"jax-(cuda|rocm)(\d+)-(plugin|pjrt)")
_TENSORFLOW = frozenset({"tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-gpu", "tensorflow-rocm", "tf-nightly"})


def collect(scene: Scene, sites: Sequence[Site], distributions: Sequence[Distribution]) -> tuple[Framework, ...]:
    """The frameworks among the distributions, by site folder and name."""
    found = []
    for dist in distributions:
        one = _Reader(scene, sites[dist.site], dist).framework()
        if one is not None:
            found.append(one)
    return tuple(sorted(found, key=lambda one: (one.site, one.name, one.path)))


class _Reader:
    """One distribution."""

    def __init__(self, scene: Scene, site: Site, dist: Distribution) -> None:
        self.scene, self.dist = scene, dist
        path = site.path
        self.root = path if scene.target.prefix == scene.prefix else path.replace(scene.target.prefix, scene.prefix, 1)

    def framework(self) -> Framework | None:
        """What it is, None for no framework."""
        name = self.dist.name
        if name == "torch":
            return self._torch()
        if name in _EXTENSIONS:
            return self._extension(self._version(f"{_EXTENSIONS[name]}/version.py"), f"{_EXTENSIONS[name]}/version.py")
        if name == "jax":
            return self._jax()
        if name == "jaxlib" or _JAX_PLUGIN.fullmatch(name):
            return self._jax_part()
        if name in _TENSORFLOW:
            return self._tensorflow()
        if name.startswith("onnxruntime") and name != "onnxruntime-extensions":
            return self._onnxruntime()
        match = _CUPY.fullmatch(name)
        if match:
            digits = match[1]
            cuda = f"{digits[:2]}.{digits[2:]}" if len(digits) == 3 else digits
            return self._made("cupy", self.dist.path, build="cuda", cuda=cuda)
        version = self.dist.version or ""
        if "+" in version and (_TORCH_TAG.search(version.partition("+")[2]) or _CUDA_TAG.search(version.partition("+")[2])):
            return self._extension(None, self.dist.path)
        return None

    # ----------------------------------------------------------------------------------------------------------- parts
    def _made(self, kind: str, path: str, **more: object) -> Framework:
        dist = self.dist
        version = more.pop("version", None) or dist.version
        return Framework(name=dist.name, version=version, site=dist.site, path=path, kind=kind, **more)  # type: ignore[arg-type]

    def _read(self, path: str) -> str | None:
        try:
            return files.read_text(f"{self.root}/{path}", _MAX)
        except files.Unreadable as error:
            if not error.missing:
                self.scene.gap("frameworks", f"{self.root}/{path}", str(error))
            return None

    def _version(self, path: str) -> str | None:
        content = self._read(path)
        return None if content is None else assigned(content, "__version__")

    def _torch(self) -> Framework | None:
        path = "torch/version.py"
        content = self._read(path)
        if content is None:
            return None
        values = {name: assigned(content, name) for name in ("__version__", "cuda", "hip", "rocm", "xpu")}
        known = re.search(_ASSIGNED.format(name="cuda"), content, re.MULTILINE) is not None
        build = (
            "cuda"
            if values["cuda"]
            else "rocm"
            if values["hip"] or values["rocm"]
            else "xpu"
            if values["xpu"]
            else "cpu"
            if known
            else "unknown"
        )
        rocm = values["rocm"] or _two(values["hip"])
        return self._made("torch", path, version=values["__version__"], build=build, cuda=values["cuda"], rocm=rocm)

    def _extension(self, version: str | None, path: str) -> Framework:
        local = (version or self.dist.version or "").partition("+")[2]
        cuda, rocm, torch = _CUDA_TAG.search(local), _ROCM_TAG.search(local), _TORCH_TAG.search(local)
        build = "cuda" if cuda else "rocm" if rocm else "cpu" if re.search(r"(?:^|\.|\d)cpu(?:$|\.)", local) else "unknown"
        return self._made(
            "torch-extension",
            path,
            version=version,
            build=build,
            cuda=_tag(cuda[1]) if cuda else None,
            rocm=rocm[1] if rocm else None,
            torch=f"{torch[1]}.{torch[2]}" if torch else None,
        )

    def _jax(self) -> Framework:
        path = "jax/version.py"
        content = self._read(path) or ""
        return self._made("jax", path, minimum=assigned(content, "_minimum_jaxlib_version"))

    def _jax_part(self) -> Framework:
        match = _JAX_PLUGIN.fullmatch(self.dist.name)
        if match is None:
            local = (self.dist.version or "").partition("+")[2]  # jaxlib 0.4.20+cuda12.cudnn89: before there were plugins
            old = re.match(r"cuda(\d{2})", local)
            return self._made("jax", self.dist.path, build="cuda" if old else "cpu", cuda=old[1] if old else None)
        number = match[2]
        if match[1] == "cuda":
            return self._made("jax", self.dist.path, build="cuda", cuda=number)
        return self._made("jax", self.dist.path, build="rocm", rocm=number if len(number) == 1 else f"{number[0]}.{number[1:]}")

    def _tensorflow(self) -> Framework | None:
        path = "tensorflow/python/platform/build_info.py"
        content = self._read(path)
        if content is None:
            return None

        def said(key: str) -> str | None:
            match = re.search(rf"['\"]{key}['\"]\s{{0,9}}[,:]\s{{0,9}}['\"]?([^'\",\)\}}\]\n]{{1,200}})", content or "")
            return match[1].strip() if match else None

        listed = re.search(r"['\"]cuda_compute_capabilities['\"]\s{0,9}[,:]\s{0,9}\[([^\]]{0,2000})\]", content)
        cuda, rocm = said("is_cuda_build") == "True", said("is_rocm_build") == "True"
        return self._made(
            "tensorflow",
            path,
            build="cuda" if cuda else "rocm" if rocm else "cpu",
            cuda=said("cuda_version") if cuda else None,
            cudnn=said("cudnn_version") if cuda else None,
            architectures=tuple(re.findall(r"(?:sm|compute)_\d{2,3}[af]?", listed[1])) if listed else (),
        )

    def _onnxruntime(self) -> Framework | None:
        path = "onnxruntime/capi/build_and_package_info.py"
        content = self._read(path)
        if content is None:
            return None
        name = assigned(content, "package_name")
        if name is not None and name.replace("_", "-").lower() != self.dist.name:
            return None  # another distribution of the family lies over it (PKG011)
        cuda, rocm = assigned(content, "cuda_version"), assigned(content, "rocm_version")
        kind = self.dist.name.removeprefix("onnxruntime").strip("-")
        build = (
            "cuda"
            if cuda
            else "rocm"
            if rocm or kind in ("rocm", "migraphx")
            else "cpu"
            if kind in ("", "noopenmp")
            else "unknown"
        )
        if kind.startswith("gpu"):
            build = "cuda"
        return self._made("onnxruntime", path, build=build, cuda=cuda, rocm=rocm, cudnn=assigned(content, "cudnn_version"))


def assigned(content: str, name: str) -> str | None:
    """The text that a module assigns to a name at its top; None for none."""
    if name not in content:
        return None
    match = re.search(_ASSIGNED.format(name=re.escape(name)), content, re.MULTILINE)
    return match[2] or None if match else None


def _tag(digits: str) -> str:
    """CUDA version of a tag: 126 -> 12.6, 12 -> 12, 118 -> 11.8."""
    return f"{digits[:2]}.{digits[2:]}" if len(digits) > 2 else digits


def _two(version: str | None) -> str | None:
    """The first two numbers of a version."""
    match = re.match(r"\d+\.\d+", version or "")
    return match[0] if match else None
