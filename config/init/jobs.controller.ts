// What Bullock calls, as a controller of Nest: npm install standardwebhooks
// Add JobsController to the controllers of a module, and keep the raw body: NestFactory.create(AppModule, { rawBody: true })
import { Controller, HttpCode, HttpException, Param, Post, Req } from '@nestjs/common';
import { Webhook } from 'standardwebhooks';

type Handler = (data: any) => Promise<unknown>;

@Controller('jobs')
export class JobsController {
  private readonly webhook = new Webhook(process.env.WEBHOOK_SECRET!);

  // One function for each job name: it takes the job's data and gives its result. What it throws is a failed attempt.
  // The bodies of your @Process or @Processor methods go here.
  private readonly handlers: Record<string, Handler> = {
    welcome: async (data) => ({ sent: true, to: data.to }),
  };

  @Post(':name')
  @HttpCode(200)
  async run(@Param('name') name: string, @Req() request: any): Promise<unknown> {
    let data: unknown;
    try {
      // The signature covers the body byte for byte.
      data = this.webhook.verify(request.rawBody, request.headers);
    } catch {
      throw new HttpException({ message: 'not from Bullock' }, 401);
    }
    // 422: it will never work, whatever attempts are left.
    if (!Object.hasOwn(this.handlers, name)) throw new HttpException({ message: `no handler for ${name}` }, 422);
    try {
      return await this.handlers[name](data);
    } catch (error) {
      const { message, stack } = error as Error;
      throw new HttpException({ message, stack }, 500);
    }
  }
}
