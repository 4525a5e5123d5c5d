"""Flash and RAM of real boards, and a project to flash."""

NUMBER = "11"
