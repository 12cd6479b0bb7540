# A frame as exchange.py writes it.
read_frame <- function(folder) {
  about <- fromJSON(file.path(folder, "columns.json"))
  columns <- lapply(seq_len(nrow(about$columns)), function(i) {
    path <- function(ending) file.path(folder, paste0(i - 1, ending))
    if (about$columns$kind[i] == "number") return(readBin(path(".bin"), "double", about$rows))
    codes <- readBin(path(".bin"), "integer", about$rows, size = 4) + 1L
    structure(codes, levels = readLines(path(".levels"), encoding = "UTF-8"), class = "factor")
  })
  names(columns) <- about$columns$name
  as.data.frame(columns)
}
# The first of many responses, those that a loop fits: a matrix with a column for each.
read_responses <- function(folder) {
  about <- fromJSON(file.path(folder, "responses.json"))
  values <- readBin(file.path(folder, "responses.bin"), "double", about$rows * about$loop)
  matrix(values, about$rows, about$loop)
}
