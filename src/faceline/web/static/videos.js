// Videos: all clips, or with ?clip=… one of them.

import { $ } from "./dom.js";
import { showClip } from "./videos-clip.js";
import { showClips } from "./videos-list.js";

const parameters = new URLSearchParams(location.search);
const clip = parameters.get("clip");

if (clip) showClip($("#videos"), clip);
else showClips($("#videos"), $("#filter"), parameters.get("person") ?? "");
