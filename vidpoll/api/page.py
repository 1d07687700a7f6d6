"""The page and the JavaScript client: the files of ``page/``, as they are, and no other."""

import mimetypes
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse

router = APIRouter(include_in_schema=False)

FOLDER: Final = Path(__file__).parent / "page"
_TYPES: Final = {".js": "text/javascript", ".ts": "text/plain", ".svg": "image/svg+xml"}


def _serve(file: Path) -> None:
    path = "/" if file.name == "index.html" else f"/{file.name}"
    media_type = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]

    @router.api_route(path, methods=["GET", "HEAD"], response_class=FileResponse)
    async def page() -> FileResponse:
        return FileResponse(file, media_type=media_type, headers={"Cache-Control": "no-cache"})


for _file in sorted(FOLDER.iterdir()):
    if _file.is_file():
        _serve(_file)
