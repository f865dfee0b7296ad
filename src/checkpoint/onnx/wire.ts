/**
 * Protobuf messages as a table of fields, for `decode.ts` and `encode.ts`. Nothing is lost: fields the table does not
 * know are kept as bytes and written back, so a model of a newer ONNX survives the round trip.
 */
/** `values`: numbers kept in their packed form until somebody asks (`TensorProto.float_data`). */
export type Scalar = "int" | "float" | "double" | "string" | "bytes" | "values";
export type Field = readonly [name: string, kind: Scalar | Schema, repeated?: "many"];

/** A message's fields, arranged for reading (by number) and for writing (in order). */
interface Layout {
  readonly byNumber: readonly (Field | undefined)[];
  readonly inOrder: readonly (readonly [number: number, ...field: Field])[];
  readonly lists: readonly string[];
}

export interface Schema {
  readonly name: string;
  readonly layout: () => Layout;
}

/** `fields` is a function because messages contain each other. */
export function schema(name: string, fields: () => Readonly<Record<number, Field>>): Schema {
  let made: Layout | null = null;
  const make = (): Layout => {
    const inOrder = Object.entries(fields()).map(([number, field]) => [Number(number), ...field] as const);
    const byNumber: (Field | undefined)[] = [];
    for (const [number, ...field] of inOrder) byNumber[number] = field;
    return { inOrder, byNumber, lists: inOrder.flatMap(([, name, , repeated]) => (repeated ? [name] : [])) };
  };
  return { name, layout: () => (made ??= make()) };
}

/** Every message carries what its schema did not know: tag and payload, as they lay in the file. */
export interface Message {
  unknown: Uint8Array[];
}
