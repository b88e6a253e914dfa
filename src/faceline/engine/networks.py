"""The networks that describe faces further, each loaded when it is first asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from faceline.engine.attributes import Emotions
from faceline.engine.gender import Gender
from faceline.engine.mesh import Mesh

AttributeNetwork = Literal["emotions", "mesh", "gender"]


@dataclass(frozen=True, slots=True)
class AttributeNetworks:
    """Each gives its network, the same at every call. Raises ModelError when it cannot be had."""

    emotions: Callable[[], Emotions]
    mesh: Callable[[], Mesh]
    gender: Callable[[], Gender]

    def load(self, name: AttributeNetwork) -> None:
        """Raises ModelError when this network cannot be had."""
        networks: dict[AttributeNetwork, Callable[[], object]]
        networks = {"emotions": self.emotions, "mesh": self.mesh, "gender": self.gender}
        networks[name]()
