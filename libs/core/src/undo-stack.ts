/** What has been done so far and how to take it back, last first. */
export class UndoStack {
  private readonly entries: { name: string; undo: () => Promise<void> }[] = [];

  push(name: string, undo: () => Promise<void>): void {
    this.entries.push({ name, undo });
  }

  /** Runs every undo, last first; one that fails does not stop the others. Returns the failures. */
  async unwind(): Promise<{ name: string; error: unknown }[]> {
    const failures: { name: string; error: unknown }[] = [];
    for (let entry = this.entries.pop(); entry; entry = this.entries.pop()) {
      try {
        await entry.undo();
      } catch (error) {
        failures.push({ name: entry.name, error });
      }
    }
    return failures;
  }
}
