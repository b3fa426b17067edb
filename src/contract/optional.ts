type Absent<Members> = {
  [Key in keyof Members]-?: undefined extends Members[Key] ? Key : never;
}[keyof Members];

type Present<Members> = Omit<Members, Absent<Members>> & {
  [Key in Absent<Members>]?: Exclude<Members[Key], undefined>;
};

/** The members that have a value: one that is absent and one that is `undefined` are not the same. */
export function optional<Members extends object>(members: Members): Present<Members>;
export function optional(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
