-- Small files, read and written whole.
--
-- On Windows Lua's io takes paths in the ANSI code page while REAPER's functions take UTF-8, so these functions are only
-- for the request folder, which `selva host install reaper` puts where the path is ASCII. Media go through REAPER's own
-- functions.

return function()
  local files = {}

  local SEPARATOR = package.config:sub(1, 1)

  function files.join(folder, name)
    if folder:find("[/\\]$") then
      return folder .. name
    end
    return folder .. SEPARATOR .. name
  end

  -- The last part of a path.
  function files.base_name(path)
    return path:match("([^/\\]+)[/\\]*$") or path
  end

  -- A folder by a path that Lua can open: the short one (8.3) where the real one is beyond ASCII on Windows.
  function files.plain_folder(folder)
    if not reaper.GetOS():find("^Win") or not folder:find("[\x80-\xFF]") then
      return folder
    end
    local answer = reaper.ExecProcess('cmd.exe /Q /C for %I in ("' .. folder .. '") do @echo %~sI', 5000)
    return answer and answer:match("\n([^\r\n]+)") or folder
  end

  -- The bytes of a file, or nil when there is none (yet).
  function files.read(path)
    local file = io.open(path, "rb")
    if not file then return nil end
    local text = file:read("a")
    file:close()
    return text
  end

  -- Writes a file that did not exist before; a reader sees all of it or nothing. Returns true, or nil and what went wrong.
  -- Never overwrites: Windows refuses to rename onto a file that is there, so every message has a name of its own.
  function files.write_new(path, text)
    local temporary = path .. ".tmp"
    local file, open_error = io.open(temporary, "wb")
    if not file then return nil, open_error end
    local written, write_error = file:write(text)
    local closed, close_error = file:close()
    if not (written and closed) then
      os.remove(temporary)
      return nil, write_error or close_error
    end
    local renamed, rename_error = os.rename(temporary, path)
    if not renamed then
      os.remove(temporary)
      return nil, rename_error
    end
    return true
  end

  return files
end
