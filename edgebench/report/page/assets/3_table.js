// A table that stays quick with tens of thousands of rows: it sorts all of them and draws one page.

const ORDER = new Intl.Collator("en", { numeric: true });
const MOST_PRINTED = 1000;

/**
 * Columns are {label, kind, help}; rows are arrays in their order. A column without any value is not shown.
 * `cell(row, number)` may give an element instead of the text. `chosen()` tells the row that is highlighted.
 */
class DataTable {
  constructor({ name, columns, rows, caption, cell, chosen = () => -1, size = 50, sizes = [50, 100, 500] }) {
    Object.assign(this, { name, columns, rows, cell, chosen, size, least: sizes[0] });
    const empty = (number) => rows.length && rows.every((row) => row[number] === null || row[number] === undefined || row[number] === "");
    this.places = columns.map((_, number) => number).filter((number) => !empty(number));
    this.shown = rows.map((_, row) => row);
    this.sorted = null;
    this.page = 0;
    this.head = new Map(this.places.map((number) => [number, this.header(columns[number], number)]));
    this.body = make("tbody");
    this.status = make("span", { role: "status" });
    this.previous = make("button", { type: "button", click: () => this.turn(-1) }, "Previous");
    this.next = make("button", { type: "button", click: () => this.turn(1) }, "Next");
    const table = make("table", {}, caption ? make("caption", {}, caption) : null,
      make("thead", {}, make("tr", {}, ...this.head.values())), this.body);
    this.pager = make("div", { class: "pager" }, this.status, this.previous, this.next,
      picker("rows", sizes.map((count) => [String(count), String(count)]), String(size), (count) => this.resize(Number(count))));
    this.element = make("div", {},
      make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": name }, table), this.pager);
    addEventListener("beforeprint", () => this.print(true));
    addEventListener("afterprint", () => this.print(false));
    this.draw();
  }

  header(column, number) {
    const button = make("button", { type: "button", title: column.help, click: () => this.sort(number) }, column.label);
    return make("th", { scope: "col", class: number === 0 || column.kind === "wrap" || isText(column.kind) ? "text" : null }, button);
  }

  /** Sorts by a column; a second time the other way round. */
  sort(number) {
    const down = this.sorted?.number === number ? !this.sorted.down : false;
    this.sorted = { number, down };
    this.head.forEach((head, place) => {
      if (place === number) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.arrange();
  }

  /** Shows only these rows. */
  show(rows) {
    this.shown = rows;
    this.arrange();
  }

  arrange() {
    if (this.sorted) {
      const { number, down } = this.sorted;
      const kind = this.columns[number].kind;
      const keys = new Map(this.shown.map((row) => [row, sortable(this.rows[row][number], kind)]));
      const sign = down ? -1 : 1;
      this.shown.sort((a, b) => {
        const [one, other] = [keys.get(a), keys.get(b)];
        if (one === null || other === null) return (one === null) - (other === null) || a - b;
        const order = typeof one === "string" ? ORDER.compare(one, other) : one - other;
        return sign * order || a - b;
      });
    }
    this.page = 0;
    this.draw();
  }

  turn(step) {
    this.page += step;
    this.draw();
    this.body.closest(".scroll").scrollTop = 0;
  }

  resize(size) {
    this.size = size;
    this.page = 0;
    this.draw();
  }

  print(printing) {
    if (printing) this.kept = [this.size, this.page];
    [this.size, this.page] = printing ? [MOST_PRINTED, 0] : this.kept;
    this.draw();
  }

  draw() {
    const begin = this.page * this.size;
    const rows = this.shown.slice(begin, begin + this.size);
    this.body.replaceChildren(...rows.map((row) => this.row(row)));
    const end = begin + rows.length;
    const count = WRITERS.number(this.shown.length);
    const all = this.shown.length === this.rows.length ? "" : ` (of ${WRITERS.number(this.rows.length)})`;
    this.status.textContent = rows.length ? `Rows ${begin + 1}\u2013${end} of ${count}${all}` : `No row of ${this.rows.length} fits the filter`;
    this.previous.disabled = begin === 0;
    this.next.disabled = end >= this.shown.length;
    this.previous.hidden = this.next.hidden = this.pager.lastChild.hidden = this.rows.length <= this.least;
  }

  row(row) {
    const cells = this.places.map((number) => this.cell?.(row, number) ?? this.plain(row, number));
    return make("tr", { class: this.chosen() === row ? "chosen" : null }, ...cells);
  }

  plain(row, number) {
    const { kind } = this.columns[number];
    const value = this.rows[row][number];
    if (number === 0) return make("th", { scope: "row", title: String(value) }, written(value, kind));
    const refused = typeof value === "string" && !isText(kind) && kind !== "date";
    const names = [isText(kind) && "text", refused && "refused", (value === null || value === "") && "none", kind === "wrap" && "wrap"];
    return make("td", { class: names.filter(Boolean).join(" ") || null }, written(value, kind));
  }
}
