// What is asked of an S3 store. Every call may be repeated; each rejects with what the SDK says, but for what is said here.
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketTaggingCommand,
  DeleteObjectsCommand,
  GetBucketTaggingCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketTaggingCommand,
  type S3Client,
} from "@aws-sdk/client-s3";

export type Tags = Readonly<Record<string, string>>;

export interface ObjectRef {
  readonly bucket: string;
  readonly key: string;
}

export interface Store {
  /** undefined: there is no such bucket. */
  tagsOf(bucket: string, signal: AbortSignal): Promise<Tags | undefined>;
  setTags(bucket: string, tags: Tags, signal: AbortSignal): Promise<void>;
  /** Ours already: success. */
  create(bucket: string, signal: AbortSignal): Promise<void>;
  /** With everything in it. Gone already: success. */
  remove(bucket: string, signal: AbortSignal): Promise<void>;
  /** undefined: there is no such object. Its version changes with its text. */
  read(
    object: ObjectRef,
    signal: AbortSignal,
  ): Promise<{ readonly text: string; readonly version: string } | undefined>;
  versionOf(object: ObjectRef, signal: AbortSignal): Promise<string | undefined>;
}

/** @param pageSize how many objects are deleted by one call; S3 takes 1000 at most. */
export function s3Store(s3: S3Client, pageSize = 1000): Store {
  return {
    tagsOf: async (Bucket, abortSignal) => {
      const none = { NoSuchBucket: undefined, NoSuchTagSet: { TagSet: [] } };
      const answer = await tolerate(none, s3.send(new GetBucketTaggingCommand({ Bucket }), { abortSignal }));
      return answer && Object.fromEntries((answer.TagSet ?? []).map(({ Key, Value }) => [Key, Value]));
    },
    setTags: async (Bucket, tags, abortSignal) => {
      const TagSet = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
      if (TagSet.length > 0)
        await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }), { abortSignal });
      else await s3.send(new DeleteBucketTaggingCommand({ Bucket }), { abortSignal });
    },
    create: async (Bucket, abortSignal) => {
      await tolerate(
        { BucketAlreadyOwnedByYou: undefined },
        s3.send(new CreateBucketCommand({ Bucket }), { abortSignal }),
      );
    },
    remove: async (Bucket, abortSignal) => {
      const gone = { NoSuchBucket: undefined };
      const list = new ListObjectsV2Command({ Bucket, MaxKeys: pageSize });
      for (;;) {
        const { Contents = [] } = (await tolerate(gone, s3.send(list, { abortSignal }))) ?? {};
        if (Contents.length === 0) break;
        const Delete = { Objects: Contents.map(({ Key }) => ({ Key })), Quiet: true };
        const { Errors = [] } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete }), { abortSignal });
        if (Errors[0] !== undefined) throw new Error(`${Errors[0].Key} cannot be deleted: ${Errors[0].Message}`);
      }
      await tolerate(gone, s3.send(new DeleteBucketCommand({ Bucket }), { abortSignal }));
    },
    read: async ({ bucket, key }, abortSignal) => {
      const get = new GetObjectCommand({ Bucket: bucket, Key: key });
      const answer = await tolerate({ NoSuchKey: undefined, NoSuchBucket: undefined }, s3.send(get, { abortSignal }));
      return answer && { text: (await answer.Body?.transformToString()) ?? "", version: answer.ETag ?? "" };
    },
    versionOf: async ({ bucket, key }, abortSignal) => {
      const head = new HeadObjectCommand({ Bucket: bucket, Key: key });
      return (await tolerate({ NotFound: undefined }, s3.send(head, { abortSignal })))?.ETag;
    },
  };
}

/** The answer, or what one of these errors means. */
async function tolerate<T, O>(meanings: Readonly<Record<string, O>>, call: Promise<T>): Promise<T | O> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && Object.hasOwn(meanings, error.name)) return meanings[error.name] as O;
    throw error;
  }
}
